//go:build server

// Package server names the S3 server that tests build; go.mod and go.sum say which one, to the byte.
package server

import _ "github.com/versity/versitygw/cmd/versitygw"
