//go:build interop

package interop_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"busbar.example/acsi"
	"busbar.example/acsi/client"
	"busbar.example/app/site"
)

// The registers of testdata/sunspec_inverter.py.
const (
	simWMax  = 40435 // 702.WMax, in 10 W
	simEna   = 40494 // 704.WMaxLimPctEna
	simLimit = 40495 // 704.WMaxLimPct, in 0.1 %
)

// simulated is an inverter of python3-pymodbus.
type simulated struct {
	t    *testing.T
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
	port string
}

// startInverter runs testdata/sunspec_inverter.py at that port of loopback, or a free one for "0".
func startInverter(t *testing.T, port string) *simulated {
	t.Helper()
	s := &simulated{t: t, cmd: exec.Command(pymodbusPython(t), filepath.Join("testdata", "sunspec_inverter.py"), port)}
	var err error
	if s.in, err = s.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.cmd.Stderr, s.out = os.Stderr, bufio.NewReader(out)
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.stop)
	s.port = s.line()
	return s
}

// stop ends the inverter as a loss of power does.
func (s *simulated) stop() {
	s.cmd.Process.Kill()
	s.cmd.Wait()
}

func (s *simulated) line() string {
	s.t.Helper()
	line, err := s.out.ReadString('\n')
	if err != nil {
		s.t.Fatalf("the inverter: %v", err)
	}
	return strings.TrimSpace(line)
}

// want checks what a register holds.
func (s *simulated) want(register, want int) {
	s.t.Helper()
	fmt.Fprintln(s.in, "get", register)
	if got := s.line(); got != strconv.Itoa(want) {
		s.t.Errorf("register %d holds %s, want %d", register, got, want)
	}
}

func (s *simulated) set(register, value int) { fmt.Fprintln(s.in, "set", register, value) }

func pymodbusPython(t *testing.T) string {
	t.Helper()
	for _, python := range []string{"/usr/bin/python3", "python3"} {
		if exec.Command(python, "-c", "import pymodbus.server.async_io").Run() == nil {
			return python
		}
	}
	missing(t, "python3-pymodbus")
	return ""
}

// plant is a site with a broker, an IED whose process is an inverter, and a client.
type plant struct {
	*testing.T
	client *client.Client
	seen   *client.Subscription
}

// newPlant serves the demo's inverter with the mapping of the documentation, which names another address.
func newPlant(t *testing.T, address string) *plant {
	t.Helper()
	s, err := site.Init(filepath.Join(t.TempDir(), "site"), domain)
	if err != nil {
		t.Fatal(err)
	}
	party := func(name string, roles ...string) site.Party {
		j, err := s.Account(name)
		if err == nil {
			err = s.Issue(j, roles, "", false)
		}
		if err != nil {
			t.Fatal(err)
		}
		return site.Party{JID: j}
	}
	pv := party("pv1")
	if pv.JID, err = site.IED(pv.JID); err != nil {
		t.Fatal(err)
	}
	pv.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	ems := party("ems", "ENGINEER", "OPERATOR")
	text, err := os.ReadFile("../docs/sunspec-inverter.yaml")
	if err != nil {
		t.Fatal(err)
	}
	mapping := filepath.Join(t.TempDir(), "inverter.yaml")
	here := strings.Replace(string(text), "192.0.2.17:502", address, 1)
	if err := os.WriteFile(mapping, []byte(here), 0o600); err != nil || here == string(text) {
		t.Fatalf("the address is not in the mapping, or %v", err)
	}
	run(t, func(ctx context.Context, ready func()) error {
		return s.RunBroker(ctx, site.BrokerOptions{Listen: "127.0.0.1:0", Ready: func(net.Addr) { ready() }})
	})
	run(t, func(ctx context.Context, ready func()) error {
		return s.RunIED(ctx, site.IEDOptions{Party: pv, SCL: "../app/demo/scl/pv.cid", Process: "sunspec:" + mapping,
			Ready: func(*site.RunningIED) { ready() }})
	})
	dialled, err := s.Dial(t.Context(), ems, "pv1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dialled.Close(context.Background()) })
	p := &plant{T: t, client: client.New(dialled)}
	p.seen, err = p.client.Subscribe(t.Context(), acsi.MustRef("PV1LD0/LLN0.urcbMeasurements"), client.SubscribeConfig{Snapshot: true})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// run runs f until the test ends, and returns once it is ready.
func run(t *testing.T, f func(ctx context.Context, ready func()) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- f(ctx, func() { close(ready) }) }()
	select {
	case <-ready:
	case err := <-ended:
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// power waits until a report says that the active power is that, in kW, and of that quality.
func (p *plant) power(kW float64, quality acsi.Quality) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.Context(), 30*time.Second)
	defer cancel()
	last := "nothing"
	for u, err := range p.seen.Updates(ctx) {
		if err != nil {
			p.Fatalf("waiting for %v kW, %v: %v; last was %s", kW, quality, err, last)
		}
		for _, v := range u.Values {
			if v.Ref.Path() != "PV1LD0/MMXU1.TotW" {
				continue
			}
			got, _ := v.Value.At(0).At(v.Value.At(0).Len() - 1).Float()
			last = fmt.Sprint(got, " kW, ", *v.Quality)
			if got == float64(float32(kW)) && *v.Quality == quality {
				return
			}
		}
	}
}

// read checks what an object holds.
func (p *plant) read(ref, want string) {
	p.Helper()
	got, err := p.client.Read(p.Context(), acsi.MustRef(ref))
	if err == nil {
		err = got[0].Err
	}
	if err != nil {
		p.Fatalf("%s: %v", ref, err)
	}
	if text := string(client.AppendJSON(nil, got[0].Object, got[0].Value)); text != want {
		p.Errorf("%s: got %s, want %s", ref, text, want)
	}
}

// operate gives a command, and waits for its end.
func (p *plant) operate(ref, text string) error {
	p.Helper()
	ctl, err := p.client.Control(p.Context(), acsi.MustRef(ref))
	if err != nil {
		p.Fatal(err)
	}
	v, err := ctl.ParseValue(text)
	if err != nil {
		p.Fatal(err)
	}
	return ctl.Operate(p.Context(), v, client.Operation{})
}

// A SunSpec inverter of another make is an IED: it is read, limited and set over IEC 61850-8-2 by the mapping of the documentation.
func TestPymodbusInverterIsAnIED(t *testing.T) {
	inverter := startInverter(t, "0")
	p := newPlant(t, net.JoinHostPort("127.0.0.1", inverter.port))
	p.power(90, acsi.QualityGood)
	for ref, want := range map[string]string{
		"PV1LD0/MMXU1.Hz.mag.f[MX]":             "50.01",
		"PV1LD0/MMXU1.TotPF.mag.f[MX]":          "0.998",
		"PV1LD0/MMXU1.PPV.phsAB.cVal.mag.f[MX]": "400.6",
		"PV1LD0/MMXU1.PhV.phsC.cVal.mag.f[MX]":  "231",
		"PV1LD0/MMXU1.A.phsA.cVal.mag.f[MX]":    "43.3",
		"PV1LD0/MMDC1.Watt.mag.f[MX]":           "91.5",
		"PV1LD0/MMDC1.Vol.mag.f[MX]":            "732",
		"PV1LD0/MMTR1.SupWh.actVal[ST]":         "412873",
		"PV1LD0/MMET1.EnvTmp.mag.f[MX]":         "21.5",
		"PV1LD0/DGEN1.DEROpSt.stVal[ST]":        "4",
		"PV1LD0/DGEN1.WMaxRtg.setMag.f[SP]":     "100",
		"PV1LD0/LPHD1.PhyNam.vendor[DC]":        `"Sunny \u0026 Sons"`,
		"PV1LD0/LPHD1.PhyNam.serNum[DC]":        `"S-0042"`,
		"PV1LD0/DWMX1.WMaxSptPct.mxVal.f[MX]":   "100",
	} {
		p.read(ref, want)
	}

	if err := p.operate("PV1LD0/DWMX1.Mod", "on"); err != nil {
		t.Fatal(err)
	}
	if err := p.operate("PV1LD0/DWMX1.WMaxSptPct", "60"); err != nil {
		t.Fatal(err)
	}
	inverter.want(simLimit, 600)
	inverter.want(simEna, 1)
	p.read("PV1LD0/DWMX1.WMaxSptPct.mxVal.f[MX]", "60")
	p.power(60, acsi.QualityGood)

	setting, err := p.client.ParseAssignment(t.Context(), "PV1LD0/DGEN1.WMax.setMag.f[SP]=80")
	if err != nil {
		t.Fatal(err)
	}
	if errs, err := p.client.Set(t.Context(), setting); err != nil || errs[0] != nil {
		t.Fatal(errs, err)
	}
	p.power(48, acsi.QualityGood)
	inverter.want(simWMax, 8000)

	inverter.set(simLimit+39, 0) // another scale factor: the limit was not 60 %, but 600 %
	inverter.set(simLimit, 50)
	p.power(4, acsi.QualityGood)
	inverter.stop()
	p.power(4, acsi.QualityQuestionable|acsi.QualityOldData)
	if err := p.operate("PV1LD0/DWMX1.WMaxSptPct", "100"); !isCause(err, acsi.BlockedByProcess) {
		t.Errorf("a command without the inverter: %v", err)
	}
	again := startInverter(t, inverter.port)
	p.power(90, acsi.QualityGood)
	if err := p.operate("PV1LD0/DWMX1.WMaxSptPct", "75"); err != nil {
		t.Error(err)
	}
	again.want(simLimit, 750)
}

func isCause(err error, cause acsi.AddCause) bool {
	failed, ok := errors.AsType[*client.ControlError](err)
	return ok && failed.Cause == cause
}
