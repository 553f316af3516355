"""The nginx files: nothing is sent twice, nobody is cut off, events come as they happen."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.servers import free_port
from tests.unit.deploy.files import DEFAULTS, DEPLOY, apps, passes, seconds, text_of
from web.server.front import RUNNER_OPTIONS

if TYPE_CHECKING:
    from pathlib import Path

_PLACES = ("site.conf", "prefix.conf", "one-host.conf")


def _text(name: str) -> str:
    """Return a file without its comments."""
    return re.sub(r"^\s*#.*\n", "", text_of(f"nginx/{name}"), flags=re.MULTILINE)


def _value(text: str, directive: str) -> str:
    (value,) = re.findall(rf"^\s*{directive} ([^;]+);$", text, re.MULTILINE)
    return str(value)


def _locations(name: str) -> dict[str, str]:
    """Return the body of each location that leads to the nodes."""
    found = re.findall(
        r"^\s*location ([^{]+?) \{\n(.*?)^\s*\}$", _text(name), re.DOTALL | re.MULTILINE
    )
    return {place: body for place, body in found if "proxy_pass" in body}


def test_an_update_that_was_sent_is_never_sent_again_by_nginx() -> None:
    conditions = _value(_text("proxy.conf"), "proxy_next_upstream").split()
    # What the request was not sent for; a POST that was is left alone without non_idempotent.
    assert conditions == ["error", "timeout"]
    for name in (*_PLACES, "upstream.conf"):
        assert "proxy_next_upstream" not in _text(name)
        assert "non_idempotent" not in _text(name)


def test_nginx_closes_idle_connections_before_the_service_does() -> None:
    kept = _value(_text("upstream.conf"), "keepalive_timeout")
    assert seconds(kept) < RUNNER_OPTIONS["keepalive_timeout"]
    assert _value(_text("proxy.conf"), "proxy_http_version") == "1.1"


def test_nginx_goes_to_the_nodes_that_pm2_runs() -> None:
    ports = re.findall(r"^\s*server 127\.0\.0\.1:(\d+) ", _text("upstream.conf"), re.MULTILINE)
    assert ports == [app["env"]["PORT"] for app in apps()]
    (upstream,) = re.findall(r"^upstream (\w+) \{$", _text("upstream.conf"), re.MULTILINE)
    for name in _PLACES:
        for body in _locations(name).values():
            assert re.search(rf"^\s*proxy_pass http://{upstream}[/;]", body, re.MULTILINE)


@pytest.mark.parametrize("name", _PLACES)
def test_every_way_has_the_common_settings_and_waits_for_the_services_answer(name: str) -> None:
    for place, body in _locations(name).items():
        assert "include work-orders/proxy.conf;" in body, place
        assert seconds(_value(body, "proxy_read_timeout")) > DEFAULTS.request_timeout_s, place
    assert _text(name).count("include work-orders/unknown.conf;") == 1


@pytest.mark.parametrize("name", _PLACES)
def test_events_are_passed_on_as_they_come(name: str) -> None:
    (events,) = (body for place, body in _locations(name).items() if "events" in place)
    assert _value(events, "proxy_buffering") == "off"
    assert seconds(_value(events, "proxy_read_timeout")) >= 3600


def test_a_caller_of_one_host_reaches_nginx_by_both_loopbacks_and_nobody_else_does() -> None:
    text = _text("one-host.conf")
    hosts = {each.rpartition(":")[0] for each in re.findall(r"listen ([^;]+);", text)}
    assert hosts == {"127.0.0.1", "[::1]"}
    # Less than the caller waits, so that it is told what nginx says.
    assert seconds(_value(_locations("one-host.conf")["/"], "proxy_read_timeout")) < 30


def test_the_prefix_is_taken_away_before_the_service_sees_the_path() -> None:
    found = {place: _value(body, "proxy_pass") for place, body in _locations("prefix.conf").items()}
    assert found == {
        "/work-orders/": "http://work_orders/",
        "= /work-orders/api/events": "http://work_orders/api/events",
    }


def test_limits_leave_the_answer_to_the_service() -> None:
    (megabytes,) = re.findall(r"client_max_body_size (\d+)m;", _text("proxy.conf"))
    assert int(megabytes) * 2**20 > DEFAULTS.max_body_bytes
    assert seconds(_value(_text("proxy.conf"), "client_body_timeout")) <= DEFAULTS.body_timeout_s


def test_headers_of_the_nodes_own_do_not_come_from_outside() -> None:
    hop = ("X-Forwarded-By-Node", "X-Forwarded-To-Node", "X-Deadline-Ms")
    for header in (*hop, "X-Node-Report", "X-Node-Signature"):
        assert f'proxy_set_header {header} "";' in _text("proxy.conf")
    # Compared with a page's Origin, which has the port.
    assert "proxy_set_header Host $http_host;" in _text("proxy.conf")


def test_braces_fit_and_what_is_included_is_there() -> None:
    for file in (DEPLOY / "nginx").iterdir():
        text = _text(file.name)
        assert text.count("{") - text.count('{"success"') == text.count("}") - text.count("\"}'"), (
            file
        )
        for included in re.findall(r"include work-orders/([\w.]+);", text):
            assert (DEPLOY / "nginx" / included).exists()


def test_nginx_itself_takes_the_files(tmp_path: Path) -> None:
    shutil.copytree(DEPLOY / "nginx", tmp_path / "work-orders")
    # Without TLS: the certificates are the reader's own.
    site = re.sub(r"^\s*ssl_.*\n", "", _text("site.conf"), flags=re.MULTILINE)
    (tmp_path / "site.conf").write_text(
        re.sub("listen .*;", f"listen 127.0.0.1:{free_port()};", site)
    )
    one_host = re.sub(r"listen \[.*;", "", _text("one-host.conf"))
    (tmp_path / "one-host.conf").write_text(one_host.replace(":3100;", f":{free_port()};"))
    places = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    scratch = "\n".join(f"{place}_temp_path {tmp_path}/{place};" for place in places)
    (tmp_path / "nginx.conf").write_text(
        f"pid {tmp_path}/pid; error_log stderr; events {{}}\nhttp {{ access_log off;\n{scratch}\n"
        "include work-orders/upstream.conf; include site.conf; include one-host.conf;\n"
        f"server {{ listen 127.0.0.1:{free_port()}; include work-orders/prefix.conf; }} }}\n"
    )
    passes("nginx", "-t", "-p", tmp_path, "-c", tmp_path / "nginx.conf")
