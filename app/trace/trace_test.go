package trace_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"busbar.example/acsi"
	"busbar.example/app/trace"
	"busbar.example/internal/testbed"
	"busbar.example/mms/assoc"
	"busbar.example/scsm/mmsmap"
	"busbar.example/scsm/xmpp82"
	"busbar.example/secure/rbac"
	"busbar.example/value"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/sasl"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var update = flag.Bool("update", false, "write the golden files")

var (
	power   = acsi.MustRef("PV1LD0/MMXU1.TotW[MX]")
	setting = acsi.MustRef("PV1LD0/DGEN1.WMax.setMag.f[SP]")
)

// pv is the model of the demo's photovoltaic plant.
func pv(t *testing.T) *acsi.Model {
	t.Helper()
	return testbed.Model(t, "../demo/scl/pv.cid")
}

// safe is a buffer for several goroutines.
type safe struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safe) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *safe) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// show traces what a client with cfg does with pv1: it associates, does do, and releases.
func show(t *testing.T, o trace.Options, cfg xmpp82.Config, do func(context.Context, *mmsmap.Client) error) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	o.Client, o.Peer = cfg.XMPP.JID.String(), testbed.JID("pv1").String()
	var out safe
	tracer := trace.New(&out, o)
	cfg.XMPP.Trace, cfg.Trace = tracer.Hooks()
	tracer.Close(visit(ctx, cfg, do))
	return out.String()
}

func visit(ctx context.Context, cfg xmpp82.Config, do func(context.Context, *mmsmap.Client) error) error {
	e, err := xmpp82.Dial(ctx, cfg)
	if err != nil {
		return err
	}
	defer e.Close()
	if err := e.Announce(ctx); err != nil {
		return err
	}
	link, err := e.Associate(testbed.JID("pv1"))
	if err != nil {
		return err
	}
	c, err := mmsmap.Associate(ctx, link, assoc.Config{})
	if err != nil {
		return err
	}
	if err := do(ctx, c); err != nil {
		return err
	}
	return c.Release(ctx)
}

func get(ctx context.Context, c *mmsmap.Client) error {
	_, err := c.GetDataValues(ctx, []acsi.Ref{power})
	return err
}

func set(ctx context.Context, c *mmsmap.Client) error {
	_, err := c.SetDataValues(ctx, []acsi.Assignment{{Ref: setting, Value: value.Float(80)}})
	return err
}

// What differs from one run to the next.
var changing = []struct {
	what *regexp.Regexp
	as   string
}{
	{regexp.MustCompile(`(?m)^ *\d+\.\d ([├│|])`), "    0.0 $1"},
	{regexp.MustCompile(`\d+\.\d ms`), "0.0 ms"},
	{regexp.MustCompile(`(?m)^ +ms: .*`), "        ms: …"},
	{regexp.MustCompile(`TLS_[A-Z0-9_]+`), "SUITE"},
	{regexp.MustCompile(`roster  \d+ octets`), "roster  … octets"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`), "TIME"},
	{regexp.MustCompile(`association \d{1,3}(:\d{1,3})?`), "association 1:2"},
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "127.0.0.1:0"},
	{regexp.MustCompile(`until \d{4}-\d\d-\d\d, \d+ days`), "until DAY"},
	{regexp.MustCompile(`ends by .*`), "ends by DAY"},
	{regexp.MustCompile(`([\d,]+) → [\d,]+ → [\d,]+ octets`), "$1 → … octets"},
	{regexp.MustCompile(`[\d,]+ → [\d,]+ octets`), "… octets"},
	{regexp.MustCompile(`(sent|received)( +\d+ +[\d,]+) .*`), "$1$2 …"},
	{regexp.MustCompile(`an octet of MMS became .*`), "an octet of MMS became …"},
	// Who comes on line may be told before or after the association is asked for.
	{regexp.MustCompile(`(?m)^.*presence available c? ?of .*\n`), ""},
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	for _, c := range changing {
		got = c.what.ReplaceAllString(got, c.as)
	}
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-want +got), -update rewrites it:\n%s", file, d)
	}
}

// wide charts do not break their lines where times and ids have another length.
var wide = trace.Options{Width: 200, Unicode: true}

func TestChartOfARun(t *testing.T) {
	b := testbed.Start(t, testbed.Options{})
	b.IED("pv1", pv(t))
	clear := testbed.Start(t, testbed.Options{Mode: testbed.Clear})
	clear.IED("pv1", pv(t))
	off := testbed.Start(t, testbed.Options{Mode: testbed.Off})
	off.IED("pv1", pv(t))
	nobody := testbed.Start(t, testbed.Options{})
	for _, tt := range []struct {
		name string
		cfg  xmpp82.Config
		do   func(context.Context, *mmsmap.Client) error
	}{
		{"get", b.Config("ems", rbac.Engineer), get},
		{"get-clear", clear.Config("ems", rbac.Engineer), get},
		{"get-off", off.Config("ems", rbac.Engineer), get},
		{"set-refused", b.Config("guest", rbac.Viewer), set},
		{"unreachable", nobody.Config("ems", rbac.Engineer), get},
		{"wrong-mode", b.ConfigIn(testbed.Clear, "ems", rbac.Engineer), get},
		{"wrong-broker", func() xmpp82.Config {
			cfg := b.Config("ems", rbac.Engineer)
			cfg.XMPP.Trust = nobody.Config("ems").XMPP.Trust // knows another authority
			return cfg
		}(), get},
		{"wrong-account", func() xmpp82.Config {
			cfg := b.Config("ems", rbac.Engineer)
			cfg.XMPP.Identity = nobody.Config("ems").XMPP.Identity // of another authority
			return cfg
		}(), get},
		{"wrong-ied", func() xmpp82.Config {
			cfg := b.Config("ems", rbac.Engineer)
			cfg.E2E.Trust = nobody.Config("ems").E2E.Trust
			return cfg
		}(), get},
		{"no-broker", func() xmpp82.Config {
			cfg := b.Config("ems", rbac.Engineer)
			cfg.XMPP.Address = "127.0.0.1:1"
			return cfg
		}(), get},
	} {
		t.Run(tt.name, func(t *testing.T) {
			golden(t, tt.name+".txt", show(t, wide, tt.cfg, tt.do))
		})
	}
}

// Version 1 of the shape: a field that changes its name or meaning makes another version, one that is added does not.
func TestJSONLinesKeepTheShapeOfVersion1(t *testing.T) {
	b := testbed.Start(t, testbed.Options{})
	b.IED("pv1", pv(t))
	out := show(t, trace.Options{JSON: true}, b.Config("guest", rbac.Viewer), func(ctx context.Context, c *mmsmap.Client) error {
		if err := get(ctx, c); err != nil {
			return err
		}
		return set(ctx, c)
	})
	var lines []string
	for line := range strings.Lines(out) {
		var v any
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		if presence := strings.Contains(line, `"kind":"presence","from"`); !presence {
			lines = append(lines, shape(v))
		}
	}
	golden(t, "version1.json", strings.Join(lines, "\n")+"\n")
}

// named are the texts that are part of the shape.
var named = map[string]bool{"event": true, "direction": true, "kind": true, "type": true, "about": true, "secPDU": true,
	"name": true, "service": true, "objects": true, "values": true, "mode": true, "outcome": true, "mechanism": true}

// shape is a JSON value without what differs from one run to the next.
func shape(v any) string {
	var clean func(key string, v any) any
	clean = func(key string, v any) any {
		switch v := v.(type) {
		case map[string]any:
			for k := range v {
				v[k] = clean(k, v[k])
			}
		case []any:
			for i := range v {
				v[i] = clean(key, v[i])
			}
		case string:
			if !named[key] {
				return "…"
			}
		case float64:
			if key != "version" && key != "invokeID" {
				return 0
			}
		}
		return v
	}
	text, _ := json.Marshal(clean("", v))
	return string(text)
}

func TestOctetsAndTimesOfTheSummaryAddUp(t *testing.T) {
	b := testbed.Start(t, testbed.Options{})
	b.IED("pv1", pv(t))
	out := show(t, trace.Options{JSON: true}, b.Config("ems", rbac.Engineer), get)
	type sizes struct{ MMS, SecPDU, Stanza, TCP, PDUs int }
	var sent, received sizes
	for line := range strings.Lines(out) {
		var e struct {
			Event, Direction string
			Octets           sizes
			PDU              *struct{}
			Summary          struct {
				Sent, Received                             sizes
				TCPMs, TLSMs, SASLMs, AssociateMs, TotalMs float64
			}
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		sum := &sent
		if e.Direction == "received" {
			sum = &received
		}
		if e.Event == "pdu" {
			o := e.Octets
			if o.MMS > o.SecPDU || o.SecPDU >= o.Stanza {
				t.Errorf("an inner layer is larger than the one around it: %s", line)
			}
			sum.MMS, sum.SecPDU, sum.Stanza = sum.MMS+o.MMS, sum.SecPDU+o.SecPDU, sum.Stanza+o.Stanza
			if e.PDU != nil {
				sum.PDUs++
			}
		}
		if e.Event != "summary" {
			continue
		}
		s := e.Summary
		if s.Sent.TCP <= sent.Stanza || s.Received.TCP <= received.Stanza {
			t.Errorf("fewer octets on TCP than in stanzas: %s", line)
		}
		s.Sent.TCP, s.Received.TCP = 0, 0
		if s.Sent != sent || s.Received != received {
			t.Errorf("summary: sent %+v, received %+v; the events have %+v and %+v", s.Sent, s.Received, sent, received)
		}
		if s.TCPMs <= 0 || s.TLSMs <= 0 || s.SASLMs <= 0 || s.AssociateMs <= 0 || s.TotalMs < s.TLSMs+s.AssociateMs {
			t.Errorf("times: %s", line)
		}
	}
	if sent.PDUs != 3 || received.PDUs != 3 {
		t.Errorf("%d PDUs sent and %d received, want 3 each", sent.PDUs, received.PDUs)
	}
}

func TestNoSecretIsShown(t *testing.T) {
	const password = "correct horse battery staple"
	verifier, err := sasl.NewVerifier(password)
	if err != nil {
		t.Fatal(err)
	}
	ems := testbed.JID("ems")
	passwords := new(sasl.Passwords)
	passwords.Set(nil, map[jid.JID]sasl.Verifier{ems.Bare(): verifier})
	b := testbed.Start(t, testbed.Options{Passwords: passwords})
	b.IED("pv1", pv(t))
	cfg := b.Config("ems", rbac.Engineer)
	cfg.XMPP.Identity = nil
	cfg.XMPP.Password = func() (string, error) { return password, nil }
	for _, o := range []trace.Options{{Raw: true, Unicode: true, Width: 4000}, {Raw: true, JSON: true}} {
		out := show(t, o, cfg, get)
		for _, expected := range []string{"SCRAM-SHA-256-PLUS", "tls-exporter", "EncrTransfer xmlns=", "confirmed-ResponsePDU xmlns="} {
			if !strings.Contains(out, expected) {
				t.Fatalf("the trace lacks %q: it is not what is looked at", expected)
			}
		}
		secrets := map[string]string{"password": password, "element of SASL": "xmpp-sasl", "private key": "PRIVATE KEY",
			"first message of SCRAM": base64.StdEncoding.EncodeToString([]byte("p=tls-exporter,,n=ems"))}
		key, err := x509.MarshalPKCS8PrivateKey(cfg.E2E.Identity.Key)
		if err != nil {
			t.Fatal(err)
		}
		for what, octets := range map[string][]byte{"salt": verifier.Salt, "stored key": verifier.StoredKey, "server key": verifier.ServerKey, "E2E key": key} {
			secrets[what], secrets[what+" in base64"] = string(octets), base64.StdEncoding.EncodeToString(octets)
			secrets[what+" in hexadecimal"] = hex.EncodeToString(octets)
		}
		for what, text := range secrets {
			if strings.Contains(out, text) {
				t.Errorf("%s, %q, is in the trace", what, text)
			}
		}
	}
}
