package pipe

import (
	"bytes"
	"context"
	"os/exec"
)

// program starts the program. When ctx ends its input is closed; it is killed where that is not enough.
func (p *Process) program(ctx context.Context, path string) (*pipes, error) {
	cmd := exec.CommandContext(ctx, path, p.cfg.Command[1:]...)
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	cmd.Stderr = &lines{tell: func(line string) { p.cfg.Logger.Warn("process says", "program", p.cfg.Command[0], "line", line) }}
	cmd.Cancel = in.Close
	cmd.WaitDelay = maxClosing
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &pipes{in: in, out: out, wait: cmd.Wait}, nil
}

// lines takes text apart into lines, and tells each of them up to a length.
type lines struct {
	tell func(string)
	part []byte
}

func (l *lines) Write(text []byte) (int, error) {
	const most = 1000
	for rest := text; len(rest) > 0; {
		line, after, whole := bytes.Cut(rest, []byte("\n"))
		l.part = append(l.part, line[:min(len(line), most-len(l.part))]...)
		if whole {
			l.tell(string(bytes.ToValidUTF8(l.part, []byte("\ufffd"))))
			l.part = l.part[:0]
		}
		rest = after
	}
	return len(text), nil
}
