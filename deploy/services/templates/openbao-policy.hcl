path "kv/data/dns/*" { capabilities = ["read"] }
