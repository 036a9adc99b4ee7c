package pipe

import (
	"context"
	"encoding/hex"
	"time"

	"busbar.example/acsi"
	"busbar.example/acsi/client"
	"busbar.example/acsi/server"
)

// Control asks the program about a command; it is a server.ControlHandler. While no program runs, and when it ends before it
// has answered, the command is blocked by the process.
func (p *Process) Control(ctx context.Context, cmd server.Command) acsi.AddCause {
	c := p.running()
	if c == nil {
		return acsi.BlockedByProcess
	}
	line := p.commandLine(cmd)
	if cmd.Phase == server.Deselected {
		c.send(line)
		return acsi.Done
	}
	if cmd.Phase != server.Executing {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, p.cfg.Decision)
		defer cancel()
	}
	id, answer, ok := c.expect()
	if !ok {
		return acsi.BlockedByProcess
	}
	line.ID = id
	c.send(line)
	select {
	case cause := <-answer:
		return cause
	case <-c.done:
		return acsi.BlockedByProcess
	case <-ctx.Done():
		c.forget(id)
		c.send(overLine{Type: "over", ID: id})
		return acsi.TimeLimitOver
	}
}

func (p *Process) commandLine(cmd server.Command) commandLine {
	line := commandLine{Type: "command", Phase: cmd.Phase.String(), Ref: cmd.Ref.Path(), CDC: cmd.CDC, Test: cmd.Test, Interlock: cmd.Interlock,
		Synchro: cmd.Synchro, Origin: originLine{Category: cmd.Origin.Cat.String(), Identity: hex.EncodeToString([]byte(cmd.Origin.Ident))},
		CtlNum: cmd.CtlNum, Peer: cmd.Subject.Name, Time: timeText(cmd.T), At: timeText(cmd.At)}
	if o, ok := p.controls[cmd.Ref]; ok && cmd.Value.IsValid() {
		line.Value = client.AppendJSON(nil, o, cmd.Value)
	}
	if cmd.Pulse != (server.Pulse{}) {
		line.Pulse = &pulseLine{On: cmd.Pulse.On.Seconds(), Off: cmd.Pulse.Off.Seconds(), Times: cmd.Pulse.Count}
	}
	return line
}

// timeText is t in RFC 3339, in UTC; "" for the zero time.
func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// hello says what there is to drive.
func (p *Process) hello() helloLine {
	m := p.engine.Model()
	line := helloLine{Type: "hello", Version: 1, IED: m.IED, LDs: []deviceLine{}, Controls: []controlLine{}}
	for _, ld := range m.LDs {
		device := deviceLine{Name: ld.Name}
		for _, ln := range ld.LNs {
			node := nodeLine{Name: ln.Node.Name, Class: ln.Node.Class, DOs: map[string]string{}}
			for _, do := range ln.Node.Children {
				if do.Kind == acsi.DataObjectNode {
					node.DOs[do.Name] = do.CDC
				}
				if o, ok := controlValue(ld.Name, node.Name, do); ok {
					line.Controls = append(line.Controls, controlLine{Ref: o.Ref.Parent().Parent().Path(), CDC: do.CDC})
				}
			}
			device.LNs = append(device.LNs, node)
		}
		line.LDs = append(line.LDs, device)
	}
	return line
}
