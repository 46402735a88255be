from tests.clients.conftest import node, node_modules

__all__ = ["node", "node_modules"]
