"""Training: `Network.fit`'s plan, its run epoch by epoch, and what looks on."""
