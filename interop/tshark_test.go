//go:build interop

package interop_test

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"busbar.example/acsi"
	"busbar.example/acsi/server"
	"busbar.example/mms/assoc"
	"busbar.example/scsm/iso81"
	"busbar.example/scsm/mmsmap"
	"busbar.example/secure/rbac"
	"busbar.example/value"
)

// capture is what a tee has seen of TCP connections, as packets of IPv4 that make Wireshark's own file format.
type capture struct {
	mu      sync.Mutex
	file    []byte
	clients uint16
}

// newCapture begins a file of raw IP packets.
func newCapture() *capture {
	var c capture
	for _, n := range []uint32{0xa1b2c3d4, 2 | 4<<16, 0, 0, 1 << 18, 101} {
		c.file = binary.LittleEndian.AppendUint32(c.file, n)
	}
	return &c
}

// tcpConversation is one connection of a client with port 102 of a server.
type tcpConversation struct {
	*capture
	client uint16
	seq    [2]uint32 // of the client, of the server
}

const (
	tcpSYN = 0x02
	tcpPSH = 0x08
	tcpACK = 0x10
	tcpFIN = 0x01
)

func (c *capture) begin() *tcpConversation {
	c.mu.Lock()
	c.clients++
	v := &tcpConversation{capture: c, client: 40000 + c.clients}
	c.mu.Unlock()
	v.packet(0, tcpSYN, nil)
	v.packet(1, tcpSYN|tcpACK, nil)
	v.packet(0, tcpACK, nil)
	return v
}

// packet records octets from the client (0) or from the server (1).
func (v *tcpConversation) packet(from int, flags byte, data []byte) {
	v.mu.Lock()
	defer v.mu.Unlock()
	ports, hosts := [2]uint16{v.client, 102}, [2]uint32{0x0a000001, 0x0a000002}
	b := []byte{0x45, 0, 0, 0, 0, 0, 0, 0, 64, 6, 0, 0}
	b = binary.BigEndian.AppendUint32(b, hosts[from])
	b = binary.BigEndian.AppendUint32(b, hosts[1-from])
	binary.BigEndian.PutUint16(b[2:], uint16(40+len(data)))
	b = binary.BigEndian.AppendUint16(b, ports[from])
	b = binary.BigEndian.AppendUint16(b, ports[1-from])
	b = binary.BigEndian.AppendUint32(b, v.seq[from])
	b = binary.BigEndian.AppendUint32(b, v.seq[1-from])
	b = append(b, 5<<4, flags, 0xff, 0xff, 0, 0, 0, 0)
	b = append(b, data...)
	v.seq[from] += uint32(len(data))
	if flags&(tcpSYN|tcpFIN) != 0 {
		v.seq[from]++
	}
	now := time.Now()
	for _, n := range []uint32{uint32(now.Unix()), uint32(now.Nanosecond() / 1000), uint32(len(b)), uint32(len(b))} {
		v.file = binary.LittleEndian.AppendUint32(v.file, n)
	}
	v.file = append(v.file, b...)
}

// tee stands before the server at an address and records what passes; it ends with the test. It gives its own address.
func (c *capture) tee(t *testing.T, server string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var copies sync.WaitGroup
	t.Cleanup(func() { l.Close(); copies.Wait() })
	copies.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			peer, err := net.Dial("tcp", server)
			if err != nil {
				client.Close()
				continue
			}
			v := c.begin()
			copies.Go(func() { v.copy(0, peer, client) })
			copies.Go(func() { v.copy(1, client, peer) })
		}
	})
	return l.Addr().String()
}

func (v *tcpConversation) copy(from int, to, of net.Conn) {
	defer to.Close()
	b := make([]byte, 16<<10)
	for {
		n, err := of.Read(b)
		if n > 0 {
			v.packet(from, tcpPSH|tcpACK, b[:n])
			to.Write(b[:n])
		}
		if err != nil {
			v.packet(from, tcpFIN|tcpACK, nil)
			return
		}
	}
}

// dissect has tshark read what was captured, in full.
func (c *capture) dissect(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("tshark"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("tshark is missing: install the package tshark")
		}
		t.Skip("tshark is missing: install the package tshark")
	}
	file := filepath.Join(t.TempDir(), "capture.pcap")
	c.mu.Lock()
	err := os.WriteFile(file, c.file, 0o644)
	c.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "tshark", "-n", "-V", "-r", file)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "LC_ALL=C.UTF-8")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	text, err := cmd.Output()
	if err != nil {
		t.Fatalf("tshark: %v\n%s", err, stderr.String())
	}
	return string(text)
}

// complaints are the lines in which tshark says that it did not understand, or that something is against the rules.
func complaints(text string) []string {
	var lines []string
	for line := range strings.Lines(text) {
		lower := strings.ToLower(line)
		for _, reason := range []string{"address unknown (3)", "session selector unknown (129)", "called-presentation-address-unknown (3)"} {
			lower = strings.Replace(lower, reason, "", 1) // which is what was refused
		}
		for _, word := range []string{"malformed", "unknown", "expert info (error", "expert info (warn", "not dissected", "unreassembled", "dissector bug", "ber error", "unexpected"} {
			if strings.Contains(lower, word) {
				lines = append(lines, strings.TrimSpace(line))
				break
			}
		}
	}
	return lines
}

// overTCP serves an engine over TCP until the test ends, and gives its address.
func overTCP(t *testing.T, engine *server.Engine, cfg iso81.ServerConfig) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	links, err := iso81.NewListener(l, cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var served sync.WaitGroup
	served.Go(func() {
		for {
			link, err := links.Accept(ctx)
			if err != nil {
				return
			}
			served.Go(func() {
				mmsmap.Serve(ctx, link, mmsmap.ServerConfig{Services: engine.Services})
			})
		}
	})
	served.Go(func() { engine.Run(ctx) })
	t.Cleanup(func() { cancel(); links.Close(); served.Wait() })
	return l.Addr().String()
}

func pvEngine(t *testing.T) *server.Engine {
	t.Helper()
	engine, err := server.New(server.Config{Model: pv(t)})
	if err != nil {
		t.Fatal(err)
	}
	return engine
}

func everybody(iso81.Credentials) (rbac.Subject, error) {
	var policy *rbac.Policy
	return rbac.Subject{Name: "ems", Grants: []rbac.Grant{policy.NewGrant(rbac.Engineer, "")}}, nil
}

// TestTsharkUnderstandsWhatWeSend has Wireshark's dissectors read associations, each service in both directions, releases, refusals
// and aborts.
func TestTsharkUnderstandsWhatWeSend(t *testing.T) {
	c := newCapture()
	cfg := iso81.ServerConfig{Subject: everybody}
	at := c.tee(t, overTCP(t, pvEngine(t), cfg))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	associate := func(cfg iso81.Config) (*mmsmap.Client, error) {
		link, err := iso81.Dial(ctx, at, cfg)
		if err != nil {
			t.Fatal(err)
		}
		return mmsmap.Associate(ctx, link, assoc.Config{})
	}
	client := func(cfg iso81.Config) *mmsmap.Client {
		a, err := associate(cfg)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	a := client(iso81.Config{})
	services(t, a)
	if err := a.Release(ctx); err != nil {
		t.Error(err)
	}
	a = client(iso81.Config{MaxTPDU: 128, Auth: &iso81.Auth{Password: []byte("secret")}}) // many segments
	services(t, a)
	a.Abort()
	refusals(t, c)
	text := c.dissect(t)
	for _, line := range complaints(text) {
		t.Errorf("tshark says: %s", line)
	}
	for _, want := range []string{"TPDU size: 8192", "Destination reference", "CONNECT (CN) SPDU", "ACCEPT (AC) SPDU", "CP-type", "CPA-PPDU", "aarq", "aare", "initiate-RequestPDU", "initiate-ResponsePDU",
		"confirmed-RequestPDU", "confirmed-ResponsePDU", "getNameList", "read", "write", "getVariableAccessAttributes", "conclude-RequestPDU", "conclude-ResponsePDU",
		"FINISH (FN) SPDU", "DISCONNECT (DN) SPDU", "rlrq", "rlre", "ABORT (AB) SPDU", "abrt",
		"DR Disconnect Request", "REFUSE (RF) SPDU", "CPR-PPDU", "called-presentation-address-unknown", "called-AP-title-not-recognized", "authentication-required",
		"mechanism-name", "charstring"} {
		if !strings.Contains(text, want) {
			t.Errorf("tshark does not speak of %q", want)
		}
	}
}

// refusals has an IED with an address of its own, and a password, refuse clients on every layer.
func refusals(t *testing.T, c *capture) {
	t.Helper()
	qualifier := int64(23)
	own := iso81.Address{TSelector: []byte{0, 7}, SSelector: []byte{0, 8}, PSelector: []byte{0, 0, 0, 9}, APTitle: "1.3.9999.23", AEQualifier: &qualifier}
	at := c.tee(t, overTCP(t, pvEngine(t), iso81.ServerConfig{Config: iso81.Config{Called: own}, Subject: func(c iso81.Credentials) (rbac.Subject, error) {
		if string(c.Password) != "secret" {
			return rbac.Subject{}, iso81.Refuse(iso81.DiagnosticAuthenticationRequired, nil)
		}
		return everybody(c)
	}}))
	secret := &iso81.Auth{Password: []byte("secret")}
	for _, r := range []struct {
		what   string
		change func(*iso81.Config)
		want   iso81.Layer // 0: it is taken
	}{
		{"T-selector", func(cfg *iso81.Config) { cfg.Called.TSelector = []byte{0, 1} }, iso81.LayerCOTP},
		{"S-selector", func(cfg *iso81.Config) { cfg.Called.SSelector = []byte{0, 1} }, iso81.LayerSession},
		{"P-selector", func(cfg *iso81.Config) { cfg.Called.PSelector = []byte{1} }, iso81.LayerPresentation},
		{"AP title", func(cfg *iso81.Config) { cfg.Called.APTitle = "1.1.1.999.1" }, iso81.LayerACSE},
		{"password", func(cfg *iso81.Config) { cfg.Auth = &iso81.Auth{Password: []byte("guess")} }, iso81.LayerACSE},
		{"nothing", func(*iso81.Config) {}, 0},
	} {
		cfg := iso81.Config{Called: own, Auth: secret}
		r.change(&cfg)
		link, err := iso81.Dial(t.Context(), at, cfg)
		var a *mmsmap.Client
		if err == nil {
			a, err = mmsmap.Associate(t.Context(), link, assoc.Config{})
		}
		var refused *iso81.RefusedError
		switch {
		case r.want == 0 && err == nil:
			a.Abort()
		case r.want == 0 || !errors.As(err, &refused) || refused.Layer != r.want || !refused.Remote:
			t.Errorf("with another %s: got %v, want a refusal of %v", r.what, err, r.want)
		}
	}
}

// services uses each service once that succeeds, and once that fails.
func services(t *testing.T, a *mmsmap.Client) {
	t.Helper()
	ctx := t.Context()
	var errs []error
	note := func(err error) { errs = append(errs, err) }
	_, err := a.GetServerDirectory(ctx)
	note(err)
	_, err = a.Identify(ctx)
	note(err)
	_, _, err = a.Status(ctx, false)
	note(err)

	_, err = a.GetDataDirectory(ctx, acsi.MustRef("PV1LD0/MMXU1.TotW"))
	note(err)
	_, err = a.GetAllDataValues(ctx, acsi.MustRef("PV1LD0/MMXU1[MX]"))
	note(err)
	got, err := a.GetDataValues(ctx, []acsi.Ref{acsi.MustRef("PV1LD0/MMXU1.TotW[MX]"), acsi.MustRef("PV1LD0/MMXU1.NoSuch[MX]")})
	note(err)
	if err == nil && (got[0].Err != nil || got[1].Err == nil) {
		t.Errorf("read: got %v", got)
	}
	_, err = a.SetDataValues(ctx, []acsi.Assignment{{Ref: acsi.MustRef("PV1LD0/DGEN1.WMax.setMag.f[SP]"), Value: value.Float(80)},
		{Ref: acsi.MustRef("PV1LD0/DGEN1.WMax.setMag.f[SP]"), Value: value.Visible("x")}})
	note(err)
	for _, err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
}
