"""Published methods on our cases: a yardstick, never a part of Aitia.

None of their packages is a dependency of ours. Each environment is a virtual one under the cache folder, made
when it is first asked for; its methods run in a process of their own that is handed a case as files and
answers with lines of JSON. What cannot be installed is reported with the reason.

`catalogue` says which methods there are and what they need, `environments` makes their environments,
`handover` writes a case for them, `running` asks them, and `inside` is what runs over there.
"""
