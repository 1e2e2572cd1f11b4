"""Makes the calls of docs/api.md with a client that was generated from /openapi.json.

python3 client.py ADDRESS TOKEN, with the generated package `nebulink` on the path.
"""

import sys
from http import HTTPStatus

from nebulink import AuthenticatedClient, Client
from nebulink.api.api import get_link, get_links
from nebulink.api.links import open_conversation_by_query, open_tag_by_query
from nebulink.models import (
    Kind,
    Link,
    LinksRequest,
    LinkState,
    LinkWithDetails,
    OpenTagByQueryName,
    Problem,
    RequestedLink,
)

INTERACTION = "0191b7c4-5e52-7b60-9d6a-2f1c3a4b5d6e"
CONVERSATION = "orders/2026-11-20#4711"

address, token = sys.argv[1:]
client = AuthenticatedClient(base_url=address, token=token, raise_on_unexpected_status=True)

# One link.
link = get_link.sync(Kind.CONVERSATION, CONVERSATION, client=client)
assert isinstance(link, Link), link
assert (link.state, link.id, link.project) == (LinkState.RESOLVED, CONVERSATION, "default"), link
assert link.url and link.short_url and link.resolved_at, link

# An id that Nebuly does not know, with a short wait for it.
answer = get_link.sync_detailed(Kind.CONVERSATION, "another", wait="1ms", client=client)
assert answer.status_code == HTTPStatus.NOT_FOUND, answer
assert isinstance(answer.parsed, Problem) and answer.parsed.type_ == "urn:nebulink:not-found", answer

# An id that cannot be one, a project that is not there, and nobody's token.
problem = get_link.sync(Kind.INTERACTION, "4711", client=client)
assert isinstance(problem, Problem) and problem.status == 400, problem
problem = get_link.sync(Kind.INTERACTION, INTERACTION, project="nobody", client=client)
assert isinstance(problem, Problem) and problem.type_ == "urn:nebulink:unknown-project", problem
stranger = Client(base_url=address, raise_on_unexpected_status=True)
problem = get_link.sync(Kind.INTERACTION, INTERACTION, client=stranger)
assert isinstance(problem, Problem) and problem.status == 401, problem

# Many links.
wanted = [
    RequestedLink(id=INTERACTION),
    RequestedLink(id=CONVERSATION, project="default"),
    RequestedLink(id="another"),
    RequestedLink(kind=Kind.INTERACTION, id="4711"),
]
links = get_links.sync(body=LinksRequest(links=wanted), refresh=True, client=client).links
states = [LinkState.RESOLVED, LinkState.RESOLVED, LinkState.ABSENT, LinkState.INVALID]
assert [link.state for link in links] == states, links
assert links[3].error.status == 400, links
problem = get_links.sync(body=LinksRequest(links=[RequestedLink(id="a")] * 1001), client=client)
assert isinstance(problem, Problem) and problem.status == 413, problem

# A link that people open, without a token.
answer = open_conversation_by_query.sync_detailed(id=CONVERSATION, client=stranger)
assert answer.status_code == HTTPStatus.FOUND and answer.headers["location"] == links[1].url, answer

# A ticket number.
link = open_tag_by_query.sync(OpenTagByQueryName.TICKET_ID, value="4711", noredirect=True, client=stranger)
assert isinstance(link, LinkWithDetails) and link.id == INTERACTION, link
print("the generated client works")
