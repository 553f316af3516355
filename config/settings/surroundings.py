"""Settings of what a node stands in: who may call it, its stores, the other nodes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, AliasGenerator, BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from config.settings import checks as _checks
from config.settings.fields import lower, new_node_id, number, secret, setting, url_of
from config.settings.hosts import check_hosts
from config.settings.origins import check_origins, default_origins
from config.settings.tokens import check_cluster_secret, check_cors_origins, check_tokens

if TYPE_CHECKING:
    from pydantic_settings import PydanticBaseSettingsSource


class Surroundings(BaseSettings):
    """Who calls, where data lie, who else is there. Times are in seconds, sizes in bytes."""

    model_config = SettingsConfigDict(
        alias_generator=AliasGenerator(validation_alias=str.upper),
        validate_by_name=True,
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        hide_input_in_errors=True,
    )

    host: Annotated[str, AfterValidator(_checks.check_host)] = setting(
        "localhost",
        "Address to listen on; localhost is both loopbacks, 127.0.0.1 and, with IPv6, ::1."
        " Beyond the loopback the service starts only with API_TOKENS or OPERATOR_TOKENS, or with"
        " ALLOW_UNAUTHENTICATED=1.",
        "监听地址；localhost 表示两个回环地址：127.0.0.1 和（有 IPv6 时）::1。"
        "离开本机回环地址时，须设置 API_TOKENS 或 OPERATOR_TOKENS，"
        "或 ALLOW_UNAUTHENTICATED=1，否则不启动。",
    )
    port: int = number(
        3001,
        0,
        65535,
        "Port to listen on; 0 takes a free one.",
        "监听端口；0 表示任取一个空闲端口。",
    )
    api_tokens: Annotated[SecretStr, secret(check_tokens)] | None = setting(
        None,
        "Tokens of callers, as name:token with commas between them. With these or OPERATOR_TOKENS"
        " set, every call but the probes and pages needs one: Authorization: Bearer <token>.",
        "调用方令牌，格式为 名称:令牌，以逗号分隔。设置它或 OPERATOR_TOKENS 后，"
        "除探活和页面外的请求都须带 Authorization: Bearer <令牌>。",
    )
    operator_tokens: Annotated[SecretStr, secret(check_tokens)] | None = setting(
        None,
        "Tokens of operators, in the same form: these may also pause, resume, clean, retry and"
        " change the log level.",
        "运维令牌，格式相同：还可暂停、恢复、清理、重试和更改日志级别。",
    )
    allow_unauthenticated: Literal["0", "1"] = setting(
        "0",
        "1 lets the service listen beyond the loopback without tokens: only behind a firewall or"
        " a proxy that asks.",
        "1 表示允许不设令牌就监听回环以外的地址：仅用于有防火墙或代理鉴权的环境。",
    )
    allowed_hosts: Annotated[str, AfterValidator(check_hosts)] = setting(
        "",
        "Names and addresses under which the service is called, besides loopback, HOST and that of"
        " NODE_URL: such as plan.factory.example,10.0.0.*:3001 with commas between them, * being"
        " anything in one part, and any port where none is given. Others get 421.",
        "除本机回环、HOST 和 NODE_URL 的主机外，调用本服务可用的主机名和地址：以逗号分隔，"
        "如 plan.factory.example,10.0.0.*:3001，* 代表某一段中的任意内容，不写端口则任意端口。"
        "其余答复 421。",
    )
    cors_origins: Annotated[str, AfterValidator(check_cors_origins)] = setting(
        "",
        "Other sites whose pages may call the service from a browser, such as"
        " https://factory.example, with commas between them.",
        "允许其页面从浏览器调用本服务的其他网站，如 https://factory.example，以逗号分隔。",
    )
    console_write: Literal["0", "1"] = setting(
        "0",
        "1 lets the page at /console operate orders, pause, resume, clean, retry and remove;"
        " without it that page only shows.",
        "1 表示允许 /console 页面操作工单、暂停、恢复、清理、重试和删除；否则该页面只能查看。",
    )
    environment: Annotated[str, AfterValidator(_checks.check_label)] = setting(
        "",
        "Name of this installation, which the console shows: such as production or test; one that"
        " begins with prod is red.",
        "本套系统的名称，显示在控制台，如 production、测试；以 prod 或“生产”开头的显示为红色。",
    )
    max_connections: int = number(
        2000,
        10,
        100_000,
        "Connections at most. Further ones take the place of one that says nothing, or get 503;"
        " a few more are kept for probes and for the other nodes.",
        "连接数上限。再多时取代一个没有请求的连接，否则答复 503；另为探活和其他节点留有少量位置。",
    )
    max_quantity: Annotated[int, Field(ge=1, le=2**53 - 1)] | None = setting(
        None,
        "The most that one update may count, up or down; more is refused (INVALID_QUANTITY), so"
        " that one slip can't spoil an order's total. Unset: any number.",
        "一次更新可计的最大数量（增或减）；更大则拒绝（INVALID_QUANTITY），以免一次误输入毁掉"
        "工单的累计。不设置则不限。",
    )
    expected_nodes: Annotated[int, Field(ge=1, le=1000)] | None = setting(
        None,
        "How many nodes there should be; with fewer there is an alarm. Unset: the most that there"
        " were at once, for a minute, in the last week.",
        "应有多少个节点；不足时告警。不设置则为最近一周内同时在线（持续一分钟）的最大数。",
    )
    unread_timeout_s: float = number(
        30.0,
        0.1,
        3600,
        "A caller that takes nothing of its answer for this long is cut off.",
        "调用方这么久没有读取答复，则断开连接。",
    )
    max_replies_mb: int = number(
        64,
        4,
        100_000,
        "Megabytes that large answers, such as pages of the log, may take in all until they are"
        " read. Further ones wait, and who reads nothing meanwhile is cut off.",
        "较大的答复（如日志页）在读完之前总共可占用的 MB 数。"
        "再多则等待，其间不读取答复的连接被断开。",
    )
    mongodb_uri: Annotated[SecretStr, secret(_checks.check_mongodb_uri)] | None = setting(
        None,
        "MongoDB to keep work orders in; without it they are in SQLite under DATA_DIR.",
        "存放工单的 MongoDB；不设置则使用 DATA_DIR 下的 SQLite。",
    )
    mongodb_db: Annotated[str, AfterValidator(_checks.check_database_name)] | None = setting(
        None,
        "Database to use instead of the one that MONGODB_URI names.",
        "所用数据库，优先于 MONGODB_URI 中的库名。",
    )
    mongodb_driver: Annotated[Literal["motor", "pymongo"], BeforeValidator(lower)] = setting(
        "motor",
        "MongoDB driver: motor, or PyMongo's own async API.",
        "MongoDB 驱动：motor，或 PyMongo 自带的异步接口。",
    )
    redis_url: Annotated[SecretStr, secret(_checks.check_redis_url)] | None = setting(
        None,
        "Redis that decides which node is the owner (redis://, rediss:// or unix://);"
        " without it and REDIS_HOST a file under DATA_DIR decides.",
        "决定由哪个节点处理更新的 Redis（redis://、rediss:// 或 unix://）；"
        "它与 REDIS_HOST 都不设置时，由 DATA_DIR 下的文件决定。",
    )
    redis_host: Annotated[str, AfterValidator(_checks.check_host)] | None = setting(
        None,
        "Host of that Redis, in place of REDIS_URL.",
        "该 Redis 的主机，用来代替 REDIS_URL。",
    )
    redis_port: int = number(
        6379,
        1,
        65535,
        "Port at REDIS_HOST.",
        "REDIS_HOST 的端口。",
    )
    redis_password: SecretStr | None = setting(
        None,
        "Password at REDIS_HOST.",
        "REDIS_HOST 的密码。",
    )
    redis_db: int = number(
        0,
        0,
        65535,
        "Database number at REDIS_HOST.",
        "REDIS_HOST 的库号。",
    )
    data_dir: Annotated[Path, AfterValidator(_checks.check_folder)] = setting(
        Path("data"),
        "Folder of the SQLite file and of the file lease; made when missing.",
        "SQLite 文件和文件租约所在目录；没有则自动创建。",
    )
    node_id: Annotated[str, AfterValidator(_checks.check_node_id)] = setting(
        new_node_id,
        "Name of this process among the nodes; no two may share one.",
        "本进程在各节点中的名字，不得重复。",
        shown="host-pid-random",
    )
    node_url: Annotated[str, AfterValidator(_checks.check_node_url)] = setting(
        lambda data: url_of(data["host"], data["port"]),
        "Where other nodes reach this one, to forward requests to the owner.",
        "其他节点访问本节点（把请求转给处理者）所用的地址。",
        shown="http://HOST:PORT",
    )
    shards: Annotated[int | Literal["stored"], BeforeValidator(_checks.check_shards)] = setting(
        1,
        "Parts that the orders are cut into, 1 to 64, each with an owner of its own; several nodes"
        " share them out. stored: as many as `plan reshard` said last, without a restart. The same"
        " on all nodes; needs MONGODB_URI where it is not 1.",
        "把工单分成多少个分片（1 到 64），每个分片各有一个处理者，由多个节点分担。"
        "stored：以 `plan reshard` 最后指定的数目为准，无需重启。"
        "所有节点须相同；不为 1 时须设置 MONGODB_URI。",
    )
    actor_engine: Annotated[Literal["pykka", "ray"], BeforeValidator(lower)] = setting(
        "pykka",
        "Where the orders' actors live: pykka in the nodes themselves; ray in processes that a Ray"
        " cluster keeps, one or two per shard, with the nodes as front doors before them. Needs"
        " MONGODB_URI, Redis and the packages of requirements-ray.lock.",
        "工单的 actor 在哪里运行：pykka 在各节点自身；ray 在由 Ray 集群维持的进程中"
        "（每个分片一至两个），节点只作为入口。须设置 MONGODB_URI 和 Redis，"
        "并安装 requirements-ray.lock 中的包。",
    )
    shard_spare: int = number(
        1,
        0,
        1,
        "With ACTOR_ENGINE=ray: processes that wait for each shard beside the one that owns it, on"
        " another machine; without one the orders of a shard wait until Ray has restarted it.",
        "ACTOR_ENGINE=ray 时：每个分片除处理者外，在另一台机器上待命的进程数；"
        "没有时，须等 Ray 重新启动该分片。",
    )
    shard_calls: int = number(
        4,
        2,
        64,
        "With ACTOR_ENGINE=ray: calls that a front door makes to one shard at once.",
        "ACTOR_ENGINE=ray 时：一个入口同时向一个分片发出的调用数。",
    )
    shard_batch: int = number(
        64,
        1,
        1000,
        "With ACTOR_ENGINE=ray: updates in one such call.",
        "ACTOR_ENGINE=ray 时：每个这样的调用中的更新数。",
    )
    ray_address: Annotated[str, AfterValidator(_checks.check_ray_address)] = setting(
        "auto",
        "The Ray cluster to join: auto is the one that this machine is part of, else host:port of"
        " its head.",
        "要加入的 Ray 集群：auto 表示本机所属的集群，否则为主节点的 主机:端口。",
    )
    ray_namespace: Annotated[str, AfterValidator(_checks.check_node_id)] = setting(
        "work-orders",
        "The namespace of the shards' processes in that cluster; one for each database.",
        "分片进程在该集群中的命名空间，每个数据库一个。",
    )
    lease_ttl_s: float = number(
        5.0,
        1,
        3600,
        "How long a silent owner keeps its ownership before another node takes over.",
        "处理者失去联系后，其所有权保留多久才由其他节点接管。",
        validation_alias="LEASE_TTL",
    )
    node_url_allow: Annotated[str, AfterValidator(check_origins)] = setting(
        lambda data: default_origins(data["node_url"]),
        "Nodes that requests may be forwarded to: origins such as http://10.0.0.*:3001 with"
        " commas between them, * being any port or anything in one part of a host's name."
        " Nodes on several machines need it.",
        "允许把请求转往哪些节点：以逗号分隔的地址，如 http://10.0.0.*:3001，"
        "* 代表任意端口，或主机名某一段中的任意内容。节点分布在多台机器上时须设置。",
        shown="loopback and the host of NODE_URL",
    )
    cluster_secret: Annotated[SecretStr, secret(check_cluster_secret)] | None = setting(
        None,
        "Secret by which nodes sign what they say to each other, 16 to 200 characters, the same on"
        " all; unset: one is made and kept in the store.",
        "各节点互相通信时签名所用的密钥，16 至 200 个字符，所有节点须相同；"
        "不设置则自动生成并保存在存储中。",
    )
    lease_loss: Annotated[Literal["fenced", "strict"], BeforeValidator(lower)] = setting(
        "fenced",
        "What an owner does while the lease's server can't be reached: fenced goes on, as the"
        " store refuses its commits once another node has taken over; strict steps down.",
        "租约服务器无法访问时处理者的做法：fenced 继续处理，一旦其他节点接管，"
        "存储会拒绝它的提交；strict 立即退为备用。",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 pydantic-settings passes them by name
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take nothing but what the caller passes: `load_settings` reads the environment."""
        return (init_settings,)
