package site

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"busbar.example/process/pipe"
)

// processOf is the process that --process names: exec:PROGRAM and its arguments, separated by spaces. It is nil for "".
func processOf(text string, log *slog.Logger) (*pipe.Process, error) {
	if text == "" {
		return nil, nil
	}
	command, ok := strings.CutPrefix(text, "exec:")
	if !ok || strings.TrimSpace(command) == "" {
		return nil, Hint(fmt.Errorf("%q is no process", text), "write exec: and a program with its arguments, for example exec:./inverter.py")
	}
	p, err := pipe.New(pipe.Config{Command: strings.Fields(command), Logger: log})
	if err != nil {
		return nil, Hint(errors.Unwrap(err), "give the path of a program that can be run")
	}
	return p, nil
}
