"""`aitia check`: is everything that this house works with there, reachable, and willing?

`report` has the words, `asking` asks all systems at once, `reach` knows what goes wrong on the way to a
server, and one module each asks one kind of system. Nothing is changed anywhere: what could only be found out
by doing it (posting to a channel, paging somebody) is left out, and the answer says so.
"""
