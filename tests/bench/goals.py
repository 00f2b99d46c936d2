# SPDX-License-Identifier: MIT
"""What holdfast is to reach: ratios to others in the same run, above 1 is better; and one time."""

ANY_FIGURE = [("bindfs", 1.0), ("gocryptfs", 1.0)]

# figure, against, at least; these go before what holds for any figure
RATIOS = [
    ("create", "bindfs", 1.5),
    ("small-write", "bindfs", 1.5),
    ("stat-hot", "bindfs", 2.0),
    ("tar", "bindfs", 2.0),
    ("rm-rf", "bindfs", 2.0),
    ("read-small-hot", "ext4", 0.8),
    ("seq-read-hot", "ext4", 0.8),
    ("sync-write", "ext4", 1.0),
    ("sqlite", "ext4", 1.0),
    ("sqlite-wal", "ext4", 1.0),
    ("git-clone", "ext4", 0.5),
    ("git-checkout", "ext4", 1.0),
    ("git-status", "ext4", 0.7),
    ("seq-read-cold", "ext4", 0.7),
    ("read-small-cold", "ext4", 1.0),
    ("seq-write", "bindfs", 0.8),
]

# figure, below how many milliseconds
TIMES = [("snapshot", 1.0)]


def goals_of(figure):
    """The ratios (against, at least) that a figure is to reach."""
    own = [(against, least) for name, against, least in RATIOS if name == figure]
    return own + [(against, least) for against, least in ANY_FIGURE if against not in dict(own)]
