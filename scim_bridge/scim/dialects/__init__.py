"""Dialects: what real IdPs send beside the RFC, as rows of data.

In: a parsed body, PATCH operation or filter, and the connection's dialect.
Out: the same thing as the RFC would say it, and the names of the rewrites that were needed, which are
counted per connection. A row only ever changes the shape of what was sent; what follows from it is
decided behind it. The dialect `strict` has no rows.
"""
