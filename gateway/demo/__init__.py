"""A made-up company of ninety days, booked by the same door as real calls, marked "demo" and removable.

What the `demo` verb does, in order:

    echo_port = ...                                   # of `python -m gateway.echo --port N`, a companion
    plan = prepare(directory, echo_port=echo_port)    # writes weighbridge.toml there; touches no real data
    seeded = fill(plan, clock.now(), progress)        # ledger and journal below plan.data_dir; once a day
    ...                                               # start gateway and pages with --config plan.config_file
    clear(plan)                                       # `demo --clear`: takes out what has the source "demo", only that
"""
