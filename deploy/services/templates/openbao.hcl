storage "raft" {
  path    = "$directory/data"
  node_id = "only"
  # One node has nobody to wait for.
  performance_multiplier = 1
}
listener "tcp" {
  address         = "$host:$port"
  cluster_address = "$host:$cluster_port"
  tls_disable     = true
}
api_addr     = "http://$host:$port"
cluster_addr = "http://$host:$cluster_port"
log_level    = "warn"
