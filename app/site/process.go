package site

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"busbar.example/acsi"
	"busbar.example/acsi/server"
	"busbar.example/process/pipe"
	"busbar.example/process/sunspec"
)

// process is what an IED has its values from, and gives its commands to. It is made before the engine, which needs its Control.
type process interface {
	Control(ctx context.Context, c server.Command) acsi.AddCause
	Attach(e *server.Engine) error // before Run
	Run(ctx context.Context)       // until ctx ends
}

const hintProcess = "write exec: and a program with its arguments, as exec:./inverter.py, or sunspec: and a mapping file, as sunspec:inverter.yaml"

// processOf is the process that --process names, SCHEME:REST. It is nil for "".
func processOf(text string, log *slog.Logger) (process, error) {
	if text == "" {
		return nil, nil
	}
	scheme, rest, _ := strings.Cut(text, ":")
	if rest = strings.TrimSpace(rest); rest != "" {
		switch scheme {
		case "exec":
			return program(rest, log)
		case "sunspec":
			return sunspecDevice(rest, log)
		}
	}
	return nil, Hint(fmt.Errorf("%q is no process", text), hintProcess)
}

// program is a program and its arguments, separated by spaces.
func program(command string, log *slog.Logger) (process, error) {
	p, err := pipe.New(pipe.Config{Command: strings.Fields(command), Logger: log})
	if err != nil {
		return nil, Hint(errors.Unwrap(err), "give the path of a program that can be run")
	}
	return attached{p}, nil
}

// attached is a program, which nothing can keep from being attached.
type attached struct{ *pipe.Process }

func (a attached) Attach(e *server.Engine) error {
	a.Process.Attach(e)
	return nil
}

// device is a SunSpec device and the file with its mapping.
type device struct {
	*sunspec.Process
	file string
}

func sunspecDevice(file string, log *slog.Logger) (process, error) {
	mapping, err := readMapping(file)
	if err != nil {
		return nil, err
	}
	p, err := sunspec.New(sunspec.Config{Mapping: mapping, Logger: log.With("mapping", file)})
	if err != nil {
		return nil, aboutMapping(err, file)
	}
	return &device{p, file}, nil
}

func (d *device) Attach(e *server.Engine) error { return aboutMapping(d.Process.Attach(e), d.file) }
