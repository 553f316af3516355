"""Our pages in a real Chromium, on real nodes: seen, used by mouse and keyboard, and checked."""
