"""Fixtures of the hooks' tests."""

from __future__ import annotations

from tests.flows.conftest import memory as memory
from tests.flows.conftest import one_sandbox as one_sandbox
from tests.flows.conftest import sandbox as sandbox
from tests.flows.conftest import settle as settle
from tests.flows.conftest import shop as shop
from tests.flows.conftest import slow as slow
from tests.flows.conftest import store as store
from tests.flows.conftest import time as time
from tests.flows.conftest import unused as unused
from tests.flows.conftest import web_page as web_page
