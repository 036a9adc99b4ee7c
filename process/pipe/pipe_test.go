package pipe

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"busbar.example/acsi"
	"busbar.example/acsi/scl"
	"busbar.example/acsi/server"
	"busbar.example/secure/rbac"
	"busbar.example/value"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if os.Getenv("BUSBAR_PIPE_PROGRAM") != "" {
		program(os.Getenv("BUSBAR_PIPE_PROGRAM"))
		return
	}
	goleak.VerifyTestMain(m)
}

// feeder is the demo's feeder, whose process is p.
func feeder(t testing.TB, p *Process) *server.Engine {
	t.Helper()
	f, err := os.Open(filepath.Join("..", "..", "app", "demo", "scl", "feeder.cid"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d, err := scl.Parse(f)
	if err != nil {
		t.Fatal(err)
	}
	m, _, err := d.Model("", "")
	if err != nil {
		t.Fatal(err)
	}
	e, err := server.New(server.Config{Model: m, Control: p.Control})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Attach(e); err != nil {
		t.Fatal(err)
	}
	return e
}

// fake is a program in the test: what it is told can be read line by line, and what it says is written.
type fake struct {
	*bufio.Reader
	io.Writer
	end func(error) // as if it had ended
}

func (f *fake) next(t *testing.T) string {
	t.Helper()
	line, err := f.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(line, "\n")
}

func (f *fake) say(t *testing.T, line string) {
	t.Helper()
	if _, err := io.WriteString(f, line+"\n"); err != nil {
		t.Fatal(err)
	}
}

// faked is a process whose programs come out of the channel, each once it has been started.
func faked(cfg Config) (*Process, chan *fake) {
	p := newProcess(cfg)
	p.cfg.Command = []string{"fake"}
	started := make(chan *fake)
	p.start = func(ctx context.Context) (*pipes, error) {
		toProgram, in := io.Pipe()
		out, fromProgram := io.Pipe()
		var died error
		var once sync.Once
		gone := make(chan struct{})
		end := func(err error) {
			once.Do(func() {
				died = err
				toProgram.Close()
				fromProgram.Close()
				close(gone)
			})
		}
		stop := context.AfterFunc(ctx, func() { end(nil) })
		select {
		case started <- &fake{Reader: bufio.NewReader(toProgram), Writer: fromProgram, end: end}:
		case <-ctx.Done():
		}
		return &pipes{in: in, out: out, wait: func() error {
			<-gone
			stop()
			return died
		}}, nil
	}
	return p, started
}

// run has a feeder with a program that has said nothing yet.
func run(t *testing.T, cfg Config) (*server.Engine, *Process, *fake, chan *fake) {
	t.Helper()
	p, started := faked(cfg)
	e := feeder(t, p)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { p.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	f := <-started
	f.next(t)
	return e, p, f, started
}

func text(t *testing.T, e *server.Engine, ref string) string {
	t.Helper()
	v, err := e.Value(acsi.MustRef(ref))
	if err != nil {
		t.Fatal(err)
	}
	return v.String()
}

func TestHelloTellsWhatThereIsToDrive(t *testing.T) {
	p, started := faked(Config{})
	feeder(t, p)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { p.Run(ctx) })
	defer running.Wait()
	defer cancel()
	var got helloLine
	if err := json.Unmarshal([]byte((<-started).next(t)), &got); err != nil {
		t.Fatal(err)
	}
	controls := ""
	for _, c := range got.Controls {
		controls += c.CDC + " " + strings.TrimPrefix(c.Ref, "FDR1LD0/") + ", "
	}
	if got.Type != "hello" || got.Version != 1 || got.IED != "FDR1" || len(got.LDs) != 1 || got.LDs[0].Name != "FDR1LD0" {
		t.Errorf("got %+v", got)
	}
	if want := "SPC LLN0.LEDRs, DPC CSWI1.Pos, BSC ATCC1.TapChg, SPC GGIO1.SPCSO1, INC GGIO1.ISCSO1, "; controls != want {
		t.Errorf("controls: got %s, want %s", controls, want)
	}
	xcbr := got.LDs[0].LNs[2]
	if xcbr.Name != "XCBR1" || xcbr.Class != "XCBR" || xcbr.DOs["Pos"] != "DPC" {
		t.Errorf("XCBR1: got %+v", xcbr)
	}
}

func TestProgramSetsValues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, _, f, _ := run(t, Config{})
		for _, tc := range []struct{ say, ref, want string }{
			{`{"ref":"FDR1LD0/MMXU1.TotW.mag.f","value":12.5}`, "FDR1LD0/MMXU1.TotW.mag.f[MX]", "float32 12.5"},
			{`{"ref":"FDR1LD0/MMXU1.TotW.mag.f","fc":"MX","value":1}`, "FDR1LD0/MMXU1.TotW.q[MX]", "bit-string 0000000000000"},
			{`{"ref":"FDR1LD0/MMXU1.TotW.mag.f","value":2,"quality":"questionable oldData"}`, "FDR1LD0/MMXU1.TotW.q[MX]", "bit-string 1100000100000"},
			{`{"ref":"FDR1LD0/MMXU1.TotW.mag.f","value":2,"quality":{"validity":"invalid","detail":[]}}`, "FDR1LD0/MMXU1.TotW.q[MX]", "bit-string 0100000000000"},
			{`{"ref":"FDR1LD0/MMXU1.TotW.mag.f[MX]","value":2,"time":"2026-11-22T10:00:00.5Z"}`, "FDR1LD0/MMXU1.TotW.t[MX]", "utc-time 2026-11-22T10:00:00.500000000Z q=1f"},
			{`{"ref":"FDR1LD0/XCBR1.Pos.stVal","value":"off"}`, "FDR1LD0/XCBR1.Pos.stVal[ST]", "bit-string 01"},
			{`{"values":[{"ref":"FDR1LD0/XCBR1.OpCnt.stVal","value":7},{"ref":"FDR1LD0/XCBR1.Loc.stVal","value":true}]}`, "FDR1LD0/XCBR1.Loc.stVal[ST]", "true"},
			{`{"ref":"FDR1LD0/ATCC1.TapChg.valWTr","value":{"posVal":4,"transInd":true}}`, "FDR1LD0/ATCC1.TapChg.valWTr.posVal[ST]", "integer 4"},
		} {
			f.say(t, tc.say)
			synctest.Wait()
			if got := text(t, e, tc.ref); got != tc.want {
				t.Errorf("%s: %s is %s, want %s", tc.say, tc.ref, got, tc.want)
			}
		}
		if got := text(t, e, "FDR1LD0/XCBR1.OpCnt.stVal[ST]"); got != "integer 7" {
			t.Errorf("the other of two is %s", got)
		}
	})
}

func TestWrongLinesChangeNothingAndAreExplained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, _, f, _ := run(t, Config{})
		before := text(t, e, "FDR1LD0/MMXU1.TotW.mag.f[MX]")
		line := 0
		for _, tc := range []struct{ say, want string }{
			{`hello`, "a line is a JSON object"},
			{`[1]`, "a line is a JSON object"},
			{`{"ref":"FDR1LD0/MMXU1.TotW.mag.f","value":1} {}`, "one JSON object, and something follows"},
			{`{"ref":"FDR1LD0/MMXU1.TotW.mag.f","valeu":1}`, `unknown field "valeu"`},
			{`{}`, "write one of"},
			{`{"ref":"FDR1LD0/MMXU1.TotW.mag.f","get":"FDR1LD0"}`, "write one of"},
			{`{"id":1}`, "do not go together"},
			{`{"get":"FDR1LD0/LLN0","time":"x"}`, "do not go together"},
			{`{"ref":"FDR1LD0/MMXU1.TotW.mag.f"}`, "there is no value"},
			{`{"ref":"FDR1LD0/MMXU1.TotW.mag.f","value":"x"}`, "no number that float32 holds"},
			{`{"ref":"FDR1LD0/MMXU1.TotW.mag.f","value":null}`, "null is no value"},
			{`{"ref":"FDR1LD0/MMXU1.TotW.mag.f","value":1,"time":"noon"}`, "2026-11-22T10:00:00.5Z"},
			{`{"ref":"FDR1LD0/MMXU1.TotW.mag.f","value":1,"quality":"fine"}`, "fine"},
			{`{"ref":"FDR1LD0/MMXU1.TotW.mag.f","fc":"ST","value":1}`, "the model has no"},
			{`{"ref":"FDR1LD0/MMXU1.TotW.mag.f","fc":"XX","value":1}`, `fc "XX" is none`},
			{`{"ref":"FDR1LD0/MMXU1.TotW.mag.f[MX]","fc":"CF","value":1}`, "another than that of the reference"},
			{`{"ref":"FDR1LD0/MMXU1.Nix","value":1}`, "the model has no FDR1LD0/MMXU1.Nix"},
			{`{"ref":"a b","value":1}`, "is not a logical device name"},
			{`{"ref":"FDR1LD0/MMXU1.TotW","value":1}`, `give "fc", one of MX, CF, DC`},
			{`{"ref":"FDR1LD0/LLN0.LEDRs.Oper.ctlVal","fc":"CO","value":true}`, "not for the process to set"},
			{`{"ref":"FDR1LD0/LLN0.brcbEnergy01.RptEna","fc":"BR","value":true}`, "not for the process to set"},
			{`{"ref":"FDR1LD0/XCBR1.Loc","fc":"ST","value":{"stVal":true,"q":"good","t":"2026-11-22T10:00:00Z"},"quality":"good"}`, "holds its quality and time itself"},
			{`{"values":[{"ref":"FDR1LD0/MMXU1.TotW.mag.f","value":99},{"value":1}]}`, `lacks "ref"`},
			{`{"get":"FDR1LD0/MMXU1.TotW.mag.g"}`, "the model has no"},
			{`{"id":7,"addCause":"none"}`, "there was no command 7"},
			{`{"id":7,"addCause":"because"}`, `"because" is no AddCause`},
			{strings.Repeat("x", maxLine+5), "1048576 octets at most"},
		} {
			f.say(t, tc.say)
			line++
			var got errorLine
			if err := json.Unmarshal([]byte(f.next(t)), &got); err != nil || got.Type != "error" || got.Line != line || !strings.Contains(got.Text, tc.want) {
				t.Errorf("%.80s: got %+v, %v, want %s in line %d", tc.say, got, err, tc.want, line)
			}
		}
		if got := text(t, e, "FDR1LD0/MMXU1.TotW.mag.f[MX]"); got != before {
			t.Errorf("the value is %s", got)
		}
		f.say(t, "\n"+`{"get":"FDR1LD0/MMXU1.TotW.units"}`)
		if got, want := f.next(t), `{"type":"value","ref":"FDR1LD0/MMXU1.TotW.units","fc":"CF","value":{"SIUnit":"W","multiplier":"k"}}`; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

func TestProgramHearsOfWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, _, f, _ := run(t, Config{})
		services := e.Services(rbac.Subject{Name: "eng@x", Grants: []rbac.Grant{(*rbac.Policy)(nil).NewGrant(rbac.Engineer, "*")}})
		ref := acsi.MustRef("FDR1LD0/LLN0.NamPlt.d[DC]")
		v, err := e.Value(ref)
		if err != nil {
			t.Fatal(err)
		}
		if errs, err := services.SetDataValues(t.Context(), []acsi.Assignment{{Ref: ref, Value: v}}); err != nil || errs[0] != nil {
			t.Fatal(errs, err)
		}
		if got, want := f.next(t), `{"type":"write","ref":"FDR1LD0/LLN0.NamPlt.d","fc":"DC","value":"Feeder bay"}`; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

// command is one for the feeder's breaker.
func command(phase server.Phase) server.Command {
	return server.Command{Ref: acsi.MustRef("FDR1LD0/GGIO1.ISCSO1"), CDC: "INC", Phase: phase, Value: value.Int(3), Subject: rbac.Subject{Name: "op@x"},
		Origin: acsi.Origin{Cat: acsi.OrRemoteControl, Ident: "op"}, CtlNum: 4, T: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC), Interlock: true,
		Pulse: server.Pulse{On: 500 * time.Millisecond, Count: 1}}
}

func TestProgramDecidesCommands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, p, f, _ := run(t, Config{})
		const about = `"ref":"FDR1LD0/GGIO1.ISCSO1","cdc":"INC","value":3,"test":false,"interlock":true,"synchro":false,"origin":{"category":"remote-control","identity":"6f70"},` +
			`"ctlNum":4,"peer":"op@x","time":"2026-11-22T10:00:00Z","pulse":{"on":0.5,"off":0,"times":1}}`
		for i, tc := range []struct {
			phase server.Phase
			say   string
			want  acsi.AddCause
		}{{server.Selecting, "none", acsi.Done}, {server.Operating, "blocked-by-interlocking", acsi.BlockedByInterlocking}, {server.Executing, "none", acsi.Done}} {
			answer := make(chan acsi.AddCause)
			go func() { answer <- p.Control(t.Context(), command(tc.phase)) }()
			if got, want := f.next(t), fmt.Sprintf(`{"type":"command","id":%d,"phase":%q,`, i+1, tc.phase)+about; got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			f.say(t, fmt.Sprintf(`{"id":%d,"addCause":%q}`, i+1, tc.say))
			if got := <-answer; got != tc.want {
				t.Errorf("%s: got %s, want %s", tc.phase, got, tc.want)
			}
		}
		if got := p.Control(t.Context(), command(server.Deselected)); got != acsi.Done {
			t.Errorf("deselected: got %s", got)
		}
		if got, want := f.next(t), `{"type":"command","phase":"deselected",`+about; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

func TestProgramThatDoesNotAnswerIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, p, f, _ := run(t, Config{Decision: 3 * time.Second})
		for i, phase := range []server.Phase{server.Operating, server.Executing} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			at := time.Now()
			answer := make(chan acsi.AddCause)
			go func() { answer <- p.Control(ctx, command(phase)) }()
			f.next(t)
			got, waited := <-answer, time.Since(at)
			if want := []time.Duration{3 * time.Second, time.Minute}[i]; got != acsi.TimeLimitOver || waited != want {
				t.Errorf("%s: got %s after %s, want %s", phase, got, waited, want)
			}
			if got, want := f.next(t), fmt.Sprintf(`{"type":"over","id":%d}`, i+1); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			f.say(t, fmt.Sprintf(`{"id":%d,"addCause":"none"}`, i+1)) // too late: nobody minds
		}
		f.say(t, `{"get":"FDR1LD0/XCBR1.Loc.stVal"}`)
		if got := f.next(t); !strings.Contains(got, `"value":false`) {
			t.Errorf("got %s", got)
		}
	})
}

func TestEndOfTheProgram(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		e, p, f, started := run(t, Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		f.say(t, `{"ref":"FDR1LD0/MMXU1.TotW.mag.f","value":12.5}`)
		answer := make(chan acsi.AddCause)
		go func() { answer <- p.Control(t.Context(), command(server.Executing)) }()
		f.next(t)
		f.end(errors.New("signal: killed"))
		if got := <-answer; got != acsi.BlockedByProcess {
			t.Errorf("the command that it had: got %s", got)
		}
		synctest.Wait()
		if got := p.Control(t.Context(), command(server.Operating)); got != acsi.BlockedByProcess {
			t.Errorf("a command while it is down: got %s", got)
		}
		value, quality := text(t, e, "FDR1LD0/MMXU1.TotW.mag.f[MX]"), text(t, e, "FDR1LD0/MMXU1.TotW.q[MX]")
		if value != "float32 12.5" || quality != "bit-string 1100000100000" {
			t.Errorf("its value is %s, %s", value, quality)
		}
		var waits []time.Duration
		for range 8 {
			at := time.Now()
			f = <-started
			waits = append(waits, time.Since(at))
			f.next(t)
			f.end(nil)
		}
		want := []time.Duration{1, 2, 4, 8, 16, 32, 60, 60}
		for i := range want {
			want[i] *= time.Second
		}
		if diff := cmp.Diff(want, waits); diff != "" {
			t.Errorf("it is started again after (-want +got):\n%s", diff)
		}
		f = <-started
		f.next(t)
		time.Sleep(2 * time.Minute) // it runs well again
		f.end(nil)
		at := time.Now()
		f = <-started
		if got := time.Since(at); got != time.Second {
			t.Errorf("after a long life it is started again after %s", got)
		}
		f.next(t)
		if !strings.Contains(log.String(), "signal: killed") {
			t.Errorf("the log says\n%s", &log)
		}
	})
}

func TestProgramThatDoesNotReadIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		_, p, _, started := run(t, Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		for range maxQueue + 2 { // one of which is being written
			p.Control(t.Context(), command(server.Deselected))
		}
		(<-started).next(t)
		if !strings.Contains(log.String(), "does not read its standard input") {
			t.Errorf("the log says\n%s", &log)
		}
	})
}

func TestTooManyCommandsAtOnceAreBlocked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, p, f, _ := run(t, Config{})
		go io.Copy(io.Discard, f)
		ctx, cancel := context.WithCancel(t.Context())
		var asked sync.WaitGroup
		for range maxCommands {
			asked.Go(func() { p.Control(ctx, command(server.Executing)) })
		}
		synctest.Wait()
		if got := p.Control(ctx, command(server.Operating)); got != acsi.BlockedByProcess {
			t.Errorf("got %s", got)
		}
		cancel()
		asked.Wait()
	})
}

func TestStandardErrorInLines(t *testing.T) {
	var got []string
	l := &lines{tell: func(line string) { got = append(got, line) }}
	for _, part := range []string{"one\ntw", "o\n\n\xff", strings.Repeat("x", 2000), "\nno end"} {
		if n, err := l.Write([]byte(part)); n != len(part) || err != nil {
			t.Fatal(n, err)
		}
	}
	if diff := cmp.Diff([]string{"one", "two", "", "\ufffd" + strings.Repeat("x", 999)}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
