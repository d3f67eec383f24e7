//go:build tools

// Package tools pins the Vault that the tests start where none is on PATH.
package tools

import (
	_ "github.com/hashicorp/vault"
	_ "github.com/hashicorp/vault-plugin-auth-kubernetes/cmd/vault-plugin-auth-kubernetes"
	_ "github.com/hashicorp/vault/plugins/database/postgresql/postgresql-database-plugin"
)
