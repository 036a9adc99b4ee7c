//go:build !linux

package main

import (
	"errors"
	"os"
)

// hideInput knows no terminal of this system.
func hideInput(*os.File) (restore func(), err error) {
	return nil, errors.New("this system's terminals are not known")
}
