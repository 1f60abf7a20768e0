"""A page to draw digits on, which shows the network as it reads them (the extra ``draw``)."""
