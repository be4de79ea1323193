"""How dnsorch is run: what starts it, and what it runs on."""
