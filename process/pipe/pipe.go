// Package pipe lets a program in any language be the process behind an IED: it takes values from the program's standard
// output and gives it commands and writes on its standard input, a JSON object a line.
package pipe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os/exec"
	"sync"
	"time"

	"busbar.example/acsi"
	"busbar.example/acsi/client"
	"busbar.example/acsi/server"
	"busbar.example/value"
)

// Config says which program is the process.
type Config struct {
	Command  []string      // the program, found as a shell would, and its arguments
	Logger   *slog.Logger  // nil: silent. What the program writes to its standard error is a warning, line by line
	Decision time.Duration // for which the program may think about a command; 0: 2 s. To carry it out, it has the operTimeout of the object
	Pause    time.Duration // before a program that has ended is started again; 0: 1 s. It doubles up to a minute, until the program has run as long
}

// The bounds of what passes between an IED and its program.
const (
	maxLine     = 1 << 20 // octets of a line
	maxQueue    = 4096    // lines that wait for the program
	maxCommands = 1024    // that wait for its answer
	maxPause    = time.Minute
	maxClosing  = 2 * time.Second // that the program has to end once its input has
)

// Process is a program and what it drives. Make it before the engine, which needs its Control, and then Attach it.
type Process struct {
	cfg      Config
	engine   *server.Engine
	controls map[acsi.Ref]client.Object // the ctlVal of each control object
	start    func(ctx context.Context) (*pipes, error)

	mu   sync.Mutex
	conn *conn // nil while no program runs
}

// pipes are a program that has been started. wait ends it where ctx has ended, and says how it ended.
type pipes struct {
	in   io.WriteCloser
	out  io.Reader
	wait func() error
}

// New finds the program. It starts nothing.
func New(cfg Config) (*Process, error) {
	if len(cfg.Command) == 0 {
		return nil, errors.New("process/pipe: no program")
	}
	path, err := exec.LookPath(cfg.Command[0])
	if err != nil {
		return nil, fmt.Errorf("process/pipe: %w", err)
	}
	p := newProcess(cfg)
	p.start = func(ctx context.Context) (*pipes, error) { return p.program(ctx, path) }
	return p, nil
}

func newProcess(cfg Config) *Process {
	cfg.Logger = cmp.Or(cfg.Logger, slog.New(slog.DiscardHandler))
	cfg.Decision = cmp.Or(cfg.Decision, 2*time.Second)
	cfg.Pause = cmp.Or(cfg.Pause, time.Second)
	return &Process{cfg: cfg, controls: map[acsi.Ref]client.Object{}}
}

// Attach binds p to the engine whose values it has, before the engine's first service and before Run. The error is nil: any model
// will do.
func (p *Process) Attach(e *server.Engine) error {
	p.engine = e
	for _, ld := range e.Model().LDs {
		for _, ln := range ld.LNs {
			for _, do := range ln.Node.Children {
				if o, ok := controlValue(ld.Name, ln.Node.Name, do); ok {
					p.controls[o.Ref.Parent().Parent().WithFC(0)] = o
				}
			}
		}
	}
	e.OnWrite(p.written)
	return nil
}

// controlValue is the ctlVal of the control object do.
func controlValue(ld, ln string, do *acsi.Node) (client.Object, bool) {
	oper := do.Under(acsi.CO)
	if oper != nil {
		oper = oper.Child("Oper")
	}
	if oper == nil || oper.Child("ctlVal") == nil {
		return client.Object{}, false
	}
	ref, err := acsi.NewRef(ld, ln+"."+do.Name+".Oper.ctlVal", acsi.CO)
	return client.Object{Ref: ref, Node: oper.Child("ctlVal")}, err == nil
}

// Run starts the program, and starts it again whenever it has ended, until ctx ends; then it closes the program's
// input, gives it two seconds to end, and returns when it has. Attach comes before it.
func (p *Process) Run(ctx context.Context) {
	pause := p.cfg.Pause
	for ctx.Err() == nil {
		started := time.Now()
		err := p.runOnce(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(started) > maxPause {
			pause = p.cfg.Pause
		}
		p.cfg.Logger.Error("the process has ended: its values are old, and commands are refused", "program", p.cfg.Command, "err", err, "restart", pause)
		wait := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			wait.Stop()
			return
		case <-wait.C:
		}
		pause = min(2*pause, maxPause)
	}
}

// runOnce is one life of the program.
func (p *Process) runOnce(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	program, err := p.start(ctx)
	if err != nil {
		return err
	}
	c := newConn(p, program.in, cancel)
	c.send(p.hello())
	p.become(c)
	var writing sync.WaitGroup
	writing.Go(c.write)
	read := make(chan error, 1)
	go func() { read <- c.read(program.out) }()
	var readErr error
	select {
	case readErr = <-read:
		p.become(nil)
		c.end(nil)
		err = program.wait()
	case <-ctx.Done():
		p.become(nil)
		c.end(nil)
		err = program.wait() // which ends the reading
		readErr = <-read
	}
	writing.Wait()
	old := c.values.stale()
	return cmp.Or(c.failure(), readErr, err, old, errEnded)
}

var errEnded = errors.New("it has closed its standard output")

func (p *Process) become(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conn = c
}

// running is the program that is up, or nil.
func (p *Process) running() *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.conn
}

// written tells the program what a peer has written.
func (p *Process) written(ref acsi.Ref, v value.Value) {
	c := p.running()
	if c == nil || ref.FC() == acsi.CO {
		return
	}
	h, err := p.engine.Handle(ref)
	if err != nil {
		return
	}
	c.send(valueOf("write", h, v))
}
