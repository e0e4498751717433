"""The kernel: what every room stands on, and knows no room.

In: settings values (a database URL, keys, limits) given by the composition root.
Out: transactions that hold state, audit and effects together; durable jobs; outbound HTTP;
clock, ids, crypto, errors and telemetry.
"""
