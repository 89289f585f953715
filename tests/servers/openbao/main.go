// Command bao is the OpenBao server and client, built here because its own
// repository cannot be the target of `go install` (local replace directives).
package main

import (
	"os"

	"github.com/openbao/openbao/command"
)

func main() { os.Exit(command.Run(os.Args[1:])) }
