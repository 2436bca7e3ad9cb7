"""Files of lines that are cut into parts while they grow: how they are named, read and sealed.

The line file has its name all the time; what is full is a part beside it, compressed. All parts in
their order and then the file are one stream of lines, and nothing else knows where it was cut.
"""
