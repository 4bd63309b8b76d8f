"""Where the roads rest: schema, migrations and one module per engine; both pass the same contract."""
