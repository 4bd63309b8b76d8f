"""The bus in a script: run it beside an `omnibus.toml`."""

import omnibus

with omnibus.open_sync("omnibus.toml") as bus:
    ada = bus.upsert(email="ada@example.com", name="Ada")
    bus.send("welcome", ada, key="welcome-ada")
    for event in bus.timeline(ada, last=5):
        print(event.time, event.type)
