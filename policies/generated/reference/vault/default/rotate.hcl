# reference: identity rotate, secret store default. Written by lifecycle policy generate.

# whether the own token lives
path "auth/token/lookup-self" {
  capabilities = ["read"]
}

# renewal of the own token
path "auth/token/renew-self" {
  capabilities = ["update"]
}

# whether the own token could move the pin
path "sys/capabilities-self" {
  capabilities = ["update"]
}

# the pinned digest of the policy bundle, where Vault holds it
path "kv/data/datarobot/reference/lifecycle.policy" {
  capabilities = ["read"]
}

# credential feature-reader-key
path "kv/data/datarobot/reference/feature-reader-key" {
  capabilities = ["create", "read", "update"]
}

# retirement of feature-reader-key, with its history
path "kv/metadata/datarobot/reference/feature-reader-key" {
  capabilities = ["delete"]
}

# what is pending of feature-reader-key
path "kv/metadata/datarobot/reference/feature-reader-key.pending" {
  capabilities = ["list"]
}

# a pending value
path "kv/data/datarobot/reference/feature-reader-key.pending/+" {
  capabilities = ["create", "read", "update"]
}

# its removal, with its history
path "kv/metadata/datarobot/reference/feature-reader-key.pending/+" {
  capabilities = ["delete"]
}

# credential legacy-ingest-key
path "kv/data/datarobot/reference/legacy-ingest-key" {
  capabilities = ["create", "read", "update"]
}

# retirement of legacy-ingest-key, with its history
path "kv/metadata/datarobot/reference/legacy-ingest-key" {
  capabilities = ["delete"]
}

# what is pending of legacy-ingest-key
path "kv/metadata/datarobot/reference/legacy-ingest-key.pending" {
  capabilities = ["list"]
}

# a pending value
path "kv/data/datarobot/reference/legacy-ingest-key.pending/+" {
  capabilities = ["create", "read", "update"]
}

# its removal, with its history
path "kv/metadata/datarobot/reference/legacy-ingest-key.pending/+" {
  capabilities = ["delete"]
}

# credential pipeline-oauth
path "kv/data/datarobot/reference/pipeline-oauth" {
  capabilities = ["create", "read", "update"]
}

# retirement of pipeline-oauth, with its history
path "kv/metadata/datarobot/reference/pipeline-oauth" {
  capabilities = ["delete"]
}

# what is pending of pipeline-oauth
path "kv/metadata/datarobot/reference/pipeline-oauth.pending" {
  capabilities = ["list"]
}

# a pending value
path "kv/data/datarobot/reference/pipeline-oauth.pending/+" {
  capabilities = ["create", "read", "update"]
}

# its removal, with its history
path "kv/metadata/datarobot/reference/pipeline-oauth.pending/+" {
  capabilities = ["delete"]
}

# credential feature-reader-key.rehearsal
path "kv/data/datarobot/reference/feature-reader-key.rehearsal" {
  capabilities = ["create", "read", "update"]
}

# retirement of feature-reader-key.rehearsal, with its history
path "kv/metadata/datarobot/reference/feature-reader-key.rehearsal" {
  capabilities = ["delete"]
}

# what is pending of feature-reader-key.rehearsal
path "kv/metadata/datarobot/reference/feature-reader-key.rehearsal.pending" {
  capabilities = ["list"]
}

# a pending value
path "kv/data/datarobot/reference/feature-reader-key.rehearsal.pending/+" {
  capabilities = ["create", "read", "update"]
}

# its removal, with its history
path "kv/metadata/datarobot/reference/feature-reader-key.rehearsal.pending/+" {
  capabilities = ["delete"]
}

# credential legacy-ingest-key.rehearsal
path "kv/data/datarobot/reference/legacy-ingest-key.rehearsal" {
  capabilities = ["create", "read", "update"]
}

# retirement of legacy-ingest-key.rehearsal, with its history
path "kv/metadata/datarobot/reference/legacy-ingest-key.rehearsal" {
  capabilities = ["delete"]
}

# what is pending of legacy-ingest-key.rehearsal
path "kv/metadata/datarobot/reference/legacy-ingest-key.rehearsal.pending" {
  capabilities = ["list"]
}

# a pending value
path "kv/data/datarobot/reference/legacy-ingest-key.rehearsal.pending/+" {
  capabilities = ["create", "read", "update"]
}

# its removal, with its history
path "kv/metadata/datarobot/reference/legacy-ingest-key.rehearsal.pending/+" {
  capabilities = ["delete"]
}

# a value of the tool itself
path "kv/data/datarobot/reference/lifecycle-fingerprint-key" {
  capabilities = ["create", "read", "update"]
}

# a value of the tool itself
path "kv/data/datarobot/reference/pipeline-oauth-registration" {
  capabilities = ["create", "read", "update"]
}
