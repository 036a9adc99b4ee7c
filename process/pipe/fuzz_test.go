package pipe

import (
	"bytes"
	"encoding/json"
	"io"
	"testing"
)

// nowhere takes what a program would read.
type nowhere struct{ io.Writer }

func (nowhere) Close() error { return nil }

// Whatever a program says, each line either is done or comes back as an error, what it has set is of the model's types, and what it
// is told is JSON.
func FuzzPipe(f *testing.F) {
	for _, line := range []string{
		`{"ref":"FDR1LD0/MMXU1.TotW.mag.f","fc":"MX","value":12.5,"quality":"good","time":"2026-11-22T10:00:00Z"}`,
		`{"values":[{"ref":"FDR1LD0/XCBR1.Pos.stVal","value":"off"},{"ref":"FDR1LD0/XCBR1.OpCnt.stVal","value":7}]}`,
		`{"id":1,"addCause":"none"}`, `{"id":2,"addCause":"blocked-by-interlocking"}`, `{"get":"FDR1LD0/MMXU1.TotW.units"}`, `{"get":"FDR1LD0/LLN0","fc":"DC"}`,
		"{}\n\n[]\n", `{"ref":"FDR1LD0/ATCC1.TapChg.valWTr","value":{"posVal":4,"transInd":true}}`, `{"ref":"FDR1LD0/XCBR1.Pos.q","value":"questionable"}`,
	} {
		f.Add([]byte(line))
	}
	p := newProcess(Config{Command: []string{"fuzz"}})
	e := feeder(f, p)
	f.Fuzz(func(t *testing.T, out []byte) {
		c := newConn(p, nowhere{io.Discard}, func() {})
		for range 2 {
			if _, _, ok := c.expect(); !ok {
				t.Fatal("no command can be asked")
			}
		}
		if err := c.read(bytes.NewReader(out)); err != nil {
			t.Fatal(err)
		}
		for len(c.queue) > 0 {
			if line := <-c.queue; !json.Valid(line) || bytes.IndexByte(line, '\n') != len(line)-1 {
				t.Fatalf("the program is told %q", line)
			}
		}
		for ref, s := range c.values.sent {
			v, err := e.Value(ref)
			if err != nil || s.handle.Node().Check(v) != nil {
				t.Fatalf("%s is %v, %v", ref, v, err)
			}
		}
		if err := c.values.stale(); err != nil {
			t.Fatal(err)
		}
	})
}

// BenchmarkValue is one line of a program's.
func BenchmarkValue(b *testing.B) {
	p := newProcess(Config{Command: []string{"bench"}})
	feeder(b, p)
	c := newConn(p, nowhere{io.Discard}, func() {})
	line := []byte(`{"ref":"FDR1LD0/MMXU1.TotW.mag.f","fc":"MX","value":12.5,"quality":"good","time":"2026-11-22T10:00:00Z"}`)
	b.ReportAllocs()
	for b.Loop() {
		if err := c.take(line); err != nil {
			b.Fatal(err)
		}
	}
}
