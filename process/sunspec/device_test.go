package sunspec

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"busbar.example/acsi"
	"busbar.example/acsi/scl"
	"busbar.example/acsi/server"
	"busbar.example/value"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// inverter is a SunSpec device at the other end of a net.Pipe.
type inverter struct {
	t *testing.T

	mu     sync.Mutex
	regs   map[uint16]uint16
	asked  []string               // the requests, as "read 40002 2" and "write 40310 0258"
	answer func(request) response // nil: as a device that works does
	dials  int
	down   bool
	conns  []net.Conn

	serving sync.WaitGroup
}

type request struct {
	transaction uint16
	unit        byte
	function    byte
	address     uint16
	n           int
	regs        []uint16 // of a write
}

// response is what a device does with a request: the octets that it sends, nil for none, and whether it hangs up.
type response struct {
	octets []byte
	wait   time.Duration // before it answers
	close  bool
}

// newInverter has the models, one behind the other from base on, each as its definition has it, and everything not implemented.
func newInverter(t *testing.T, base int, ids ...int) *inverter {
	d := &inverter{t: t, regs: map[uint16]uint16{}}
	at := base
	d.set(at, marker[0], marker[1])
	at += 2
	for _, id := range ids {
		m := models()[id]
		length := m.length
		counts := map[string]int{"NPt": 4, "NCrv": 3, "NCrvSet": 2, "NCtl": 2}
		if length == 0 {
			length = m.size(counts)
		}
		d.set(at, uint16(id), uint16(length))
		for i := range length {
			d.set(at+2+i, 0xFFFF)
		}
		blank(d, at+2, &m.group, counts)
		at += 2 + length
	}
	d.set(at, endOfChain, 0)
	return d
}

// blank makes the points of g not implemented, and its counts what they are.
func blank(d *inverter, at int, g *group, counts map[string]int) {
	for _, p := range g.points {
		first := uint16(0xFFFF)
		switch p.kind {
		case signed, scale, pad:
			first = 0x8000
		case accumulator, text:
			first = 0
		case float:
			first = 0x7fc0
		}
		for i := range p.size {
			regs := first
			if i > 0 && p.kind != unsigned && p.kind != bitfield {
				regs = 0
			}
			d.set(at+p.offset+i, regs)
		}
		if n, counted := counts[p.name]; counted {
			d.set(at+p.offset, uint16(n))
		}
	}
	at += g.fixed()
	for _, sub := range g.groups {
		for range sub.repeats(counts) {
			blank(d, at, sub, counts)
			at += sub.size(counts)
		}
	}
}

func (d *inverter) set(address int, regs ...uint16) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, r := range regs {
		d.regs[uint16(address+i)] = r
	}
}

func (d *inverter) get(address int) uint16 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.regs[uint16(address)]
}

// behave changes how it answers.
func (d *inverter) behave(answer func(request) response) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.answer = answer
}

// shut ends all connections, and refuses others until down is false.
func (d *inverter) shut(down bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.down = down
	for _, c := range d.conns {
		c.Close()
	}
	d.conns = nil
}

func (d *inverter) requests() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	asked := slices.Clone(d.asked)
	d.asked = nil
	return asked
}

func (d *inverter) dial(context.Context, string, string) (net.Conn, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dials++
	if d.down {
		return nil, errors.New("connection refused")
	}
	near, far := net.Pipe()
	d.conns = append(d.conns, far)
	d.serving.Go(func() { d.serve(far) })
	return near, nil
}

func (d *inverter) serve(c net.Conn) {
	defer c.Close()
	for {
		var f frame
		if err := f.read(c); err != nil {
			if wrong, ok := errors.AsType[*FrameError](err); ok && !strings.HasPrefix(wrong.Text, "it ends") {
				d.t.Errorf("the device reads: %v", err)
			}
			return
		}
		p := f.pdu()
		r := request{transaction: f.transaction, unit: f.unit, function: p[0], address: binary.BigEndian.Uint16(p[1:]), n: int(binary.BigEndian.Uint16(p[3:]))}
		if r.function == writeMultiple {
			for i := 6; i+1 < len(p); i += 2 {
				r.regs = append(r.regs, binary.BigEndian.Uint16(p[i:]))
			}
		}
		d.mu.Lock()
		answer := d.answer
		d.asked = append(d.asked, r.String())
		d.mu.Unlock()
		if answer == nil {
			answer = d.work
		}
		out := answer(r)
		time.Sleep(out.wait)
		if out.octets != nil {
			if _, err := c.Write(out.octets); err != nil {
				return
			}
		}
		if out.close {
			return
		}
	}
}

// work answers as a device should.
func (d *inverter) work(r request) response {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range r.n {
		if _, ok := d.regs[r.address+uint16(i)]; !ok {
			return r.exception(illegalAddress)
		}
	}
	if r.function == writeMultiple {
		for i, reg := range r.regs {
			d.regs[r.address+uint16(i)] = reg
		}
		return r.reply(binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, r.address), uint16(r.n)))
	}
	body := []byte{byte(2 * r.n)}
	for i := range r.n {
		body = binary.BigEndian.AppendUint16(body, d.regs[r.address+uint16(i)])
	}
	return r.reply(body)
}

func (r request) reply(body []byte) response {
	return response{octets: append(append(appendHeader(nil, r.transaction, r.unit, 1+len(body)), r.function), body...)}
}

func (r request) exception(code byte) response {
	return response{octets: append(appendHeader(nil, r.transaction, r.unit, 2), r.function|exceptionFlag, code)}
}

func (r request) String() string {
	if r.function == readHolding {
		return "read " + itoa(int(r.address)) + " " + itoa(r.n)
	}
	text := "write " + itoa(int(r.address))
	for _, reg := range r.regs {
		text += " " + itoa(int(reg))
	}
	return text
}

func itoa(n int) string { return strconv.Itoa(n) }

// rig is a device, its process and the engine of the demo's inverter.
type rig struct {
	*testing.T
	device  *inverter
	process *Process
	engine  *server.Engine
	stop    func()
}

// newRig runs the process against the device, until stop.
func newRig(t *testing.T, d *inverter, m Mapping) *rig {
	t.Helper()
	r := prepare(t, d, m)
	r.run()
	return r
}

func prepare(t *testing.T, d *inverter, m Mapping) *rig {
	t.Helper()
	if m.Connect == "" {
		m.Connect = "inverter.test"
	}
	p, err := New(Config{Mapping: m, Dial: d.dial})
	if err != nil {
		t.Fatal(err)
	}
	e := newEngine(t, p.Control)
	if err := p.Attach(e); err != nil {
		t.Fatal(err)
	}
	return &rig{T: t, device: d, process: p, engine: e}
}

func (r *rig) run() {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { r.engine.Run(ctx) })
	running.Go(func() { r.process.Run(ctx) })
	r.stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
		r.device.shut(true)
		r.device.serving.Wait()
	})
}

var demoModel = sync.OnceValues(func() (*acsi.Model, error) {
	f, err := os.Open("../../app/demo/scl/pv.cid")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(f)
	if err != nil {
		return nil, err
	}
	// The function that limits the power is on.
	doc, err := scl.Parse(strings.NewReader(strings.ReplaceAll(string(text), `<DAI name="stVal"><Val>off</Val></DAI>`, `<DAI name="stVal"><Val>on</Val></DAI>`)))
	if err != nil {
		return nil, err
	}
	m, _, err := doc.Model("", "")
	return m, err
})

func newEngine(t *testing.T, control server.ControlHandler) *server.Engine {
	t.Helper()
	m, err := demoModel()
	if err != nil {
		t.Fatal(err)
	}
	e, err := server.New(server.Config{Model: m, Control: control})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// held is what an attribute has.
func (r *rig) held(ref string) value.Value {
	r.Helper()
	v, err := r.engine.Value(acsi.MustRef(ref))
	if err != nil {
		r.Fatal(err)
	}
	return v
}

// value is what an attribute has, as text without the name of its type.
func (r *rig) value(ref string) string {
	text := r.held(ref).String()
	return text[strings.LastIndex(text, " ")+1:]
}

// quality is the quality that the attribute ref has.
func (r *rig) quality(ref string) string {
	r.Helper()
	q, ok := acsi.QualityOf(r.held(ref))
	if !ok {
		r.Fatalf("%s is no quality", ref)
	}
	return q.String()
}

// want holds what an attribute of the form LN.DO.DA[FC] of the demo's inverter has against want.
func (r *rig) want(ref, wantValue, wantQuality string) {
	r.Helper()
	h := acsi.MustRef("PV1LD0/" + ref)
	q := h
	for q.Depth() > 4 {
		q = q.Parent()
	}
	got, gotQ := r.value(h.String()), r.quality(acsi.MustRef(q.Parent().Path()+".q").WithFC(h.FC()).String())
	if got != wantValue || gotQ != wantQuality {
		r.Errorf("%s: got %s, %s; want %s, %s", ref, got, gotQ, wantValue, wantQuality)
	}
}
