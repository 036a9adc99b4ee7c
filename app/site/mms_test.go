package site

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"busbar.example/acsi"
	"busbar.example/scsm/iso81"
	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
	"busbar.example/value"
)

func TestWhereMMSIsServed(t *testing.T) {
	for _, tc := range []struct {
		text      string
		want      ListenMMS
		err, hint string
	}{
		{text: "127.0.0.1:10102", want: ListenMMS{Address: "127.0.0.1:10102"}},
		{text: ":102", want: ListenMMS{Address: ":102"}},
		{text: "10.0.0.5", want: ListenMMS{Address: "10.0.0.5:102"}},
		{text: "10.0.0.5,tls", want: ListenMMS{Address: "10.0.0.5:3782", TLS: true}},
		{text: "[::1]:0,tls", want: ListenMMS{Address: "[::1]:0", TLS: true}},
		{text: "::1", want: ListenMMS{Address: "[::1]:102"}},
		{text: "localhost,ssl", err: `"ssl"`, hint: "HOST:PORT,tls"},
		{text: "localhost:mms", err: "localhost:mms", hint: "127.0.0.1"},
	} {
		got, err := ParseListenMMS(tc.text)
		if tc.err != "" {
			wantError(t, err, tc.err, tc.hint)
			continue
		}
		if diff := cmp.Diff(tc.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", tc.text, err, diff)
		}
	}
}

// IEC 61850-8-1, A-associate parameters: what an odd device wants stands behind its address.
func TestWhereAnIEDIsReached(t *testing.T) {
	for _, tc := range []struct {
		text string
		want func(*MMSTarget)
	}{
		{"mms://10.0.0.5", func(*MMSTarget) {}},
		{"mms://10.0.0.5/", func(*MMSTarget) {}},
		{"mms://10.0.0.5:10102", func(t *MMSTarget) { t.Address = "10.0.0.5:10102" }},
		{"mmss://pv1.plant.example", func(t *MMSTarget) { t.Address, t.TLS = "pv1.plant.example:3782", true }},
		{"mms://[2001:db8::5]", func(t *MMSTarget) { t.Address = "[2001:db8::5]:102" }},
		{"mmss://10.0.0.5?tls-name=pv1.plant.example", func(t *MMSTarget) { t.Address, t.TLS, t.ServerName = "10.0.0.5:3782", true, "pv1.plant.example" }},
		{"mms://10.0.0.5?ap-title=1.3.9999.23&ae=7&psel=00000002&ssel=0002&tsel=00ff", func(t *MMSTarget) {
			seven := int64(7)
			t.Called = iso81.Address{PSelector: []byte{0, 0, 0, 2}, SSelector: []byte{0, 2}, TSelector: []byte{0, 255}, APTitle: "1.3.9999.23", AEQualifier: &seven}
		}},
		{"mms://10.0.0.5?ap-title=&ae=&calling-tsel=01", func(t *MMSTarget) {
			t.Called.APTitle, t.Called.AEQualifier, t.Calling.TSelector = "", nil, []byte{1}
		}},
	} {
		want := MMSTarget{Address: "10.0.0.5:102", Called: iso81.CalledAddress(), Calling: iso81.CallingAddress()}
		tc.want(&want)
		got, err := ParseMMS(tc.text)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", tc.text, err, diff)
		}
	}
	for text, says := range map[string]string{
		"mms://": "no address", "mms://:102": "no address", "mms://u@10.0.0.5": "no address", "mms://10.0.0.5/x": "no address",
		"mms://10.0.0.5:0": "no port 0", "mms://10.0.0.5:99999": "no port 99999", "http://10.0.0.5": "no address",
		"mms://10.0.0.5?tsel=xyz": "selectors are hexadecimal", "mms://10.0.0.5?ae=x": "a qualifier is a number", "mms://10.0.0.5?tsle=01": "no such parameter",
	} {
		_, err := ParseMMS(text)
		wantError(t, err, says, "mms://HOST[:PORT]")
	}
	if IsMMS("pv1@"+domain) || !IsMMS("mms://x") || !IsMMS("mmss://x") {
		t.Error("JIDs and addresses are mixed up")
	}
}

func TestBusbarYAMLOnMMS(t *testing.T) {
	print := hex.EncodeToString(make([]byte, 32))
	for _, tc := range []struct {
		name, text string
		err, hint  string
	}{
		{"nothing", "mms: {}", "", ""},
		{"all of it", "mms: {anonymous: [viewer], roots: [vendor.crt], peers: [{name: a, certificate: ems@" + domain + ", roles: [OPERATOR], aor: PV*}, " +
			"{name: b, password_file: x, address: 10.0.0.5, roles: [VIEWER]}, {name: c, certificate: 'SHA256:" + print + "', address: 2001:db8::/32, roles: [VIEWER]}]}", "", ""},
		{"no name", "mms: {peers: [{address: 10.0.0.5, roles: [VIEWER]}]}", "without a name", "scada"},
		{"a name twice", "mms: {peers: [{name: a, address: 10.0.0.5, roles: [VIEWER]}, {name: a, address: 10.0.0.6, roles: [VIEWER]}]}", `second "a"`, "scada"},
		{"nothing to know it by", "mms: {peers: [{name: a, roles: [VIEWER]}]}", "peers: a: nothing says how to know it", "certificate"},
		{"no role", "mms: {peers: [{name: a, address: 10.0.0.5}]}", "a: it has no role", "OPERATOR"},
		{"another role", "mms: {anonymous: [READER]}", `no role "READER"`, "VIEWER"},
		{"no address", "mms: {peers: [{name: a, address: 10.0.0, roles: [VIEWER]}]}", `"10.0.0" is no address`, "10.0.0.0/8"},
		{"a short fingerprint", "mms: {peers: [{name: a, certificate: 'sha256:00ff', roles: [VIEWER]}]}", "no SHA-256 fingerprint", "64 hexadecimal"},
		{"an unknown field", "mms: {anonymus: [VIEWER]}", "no field anonymus", "anonymous, peers, roots"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newSite(t)
			if err := os.WriteFile(s.Path(FileName), []byte("domain: "+domain+"\n"+tc.text+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Open(s.Dir)
			switch {
			case tc.err != "":
				wantError(t, err, tc.err, tc.hint)
			case err != nil:
				t.Error(err)
			}
		})
	}
}

// verified is what an IED has verified of the TLS certificate of an account.
func verified(t *testing.T, s *Site, name string) *pki.Verified {
	t.Helper()
	j, err := s.Account(name)
	if err != nil {
		t.Fatal(err)
	}
	id, err := s.identity(j, "tls")
	if err != nil {
		t.Fatal(err)
	}
	trust, err := s.mmsTrust()
	if err != nil {
		t.Fatal(err)
	}
	v, err := trust.VerifyPeerClient(id.Chain, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// setMMS writes the section mms of busbar.yaml.
func setMMS(t *testing.T, s *Site, text string) *Site {
	t.Helper()
	if err := os.WriteFile(s.Path(FileName), []byte("domain: "+domain+"\nmms: "+text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	again, err := Open(s.Dir)
	if err != nil {
		t.Fatal(err)
	}
	return again
}

// IEC 62351-8: over TCP a peer has the roles that busbar.yaml gives to what it has shown of itself, and no others.
func TestRolesOfPeersOverTCP(t *testing.T) {
	s := newSite(t)
	for _, name := range []string{"ems", "guest", "boss"} {
		s.mustIssue(t, name, "VIEWER")
	}
	ems, guest, boss := verified(t, s, "ems"), verified(t, s, "guest"), verified(t, s, "boss")
	if err := os.WriteFile(s.Path("pki", "scada.password"), []byte("open sesame\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const peers = `
    - {name: ems here, certificate: ems@` + domain + `, address: 10.0.0.0/8, roles: [ENGINEER]}
    - {name: ems, certificate: ems@` + domain + `, roles: [VIEWER]}
    - {name: boss, certificate: "%x", roles: [OPERATOR], aor: PV*}
    - {name: scada, password_file: pki/scada.password, address: 192.0.2.7, roles: [OPERATOR]}
    - {name: plant, address: 192.0.2.0/24, roles: [VIEWER]}
    - {name: six, address: "2001:db8::/32", roles: [VIEWER]}`
	closed := setMMS(t, s, "\n  peers:"+fmt.Sprintf(peers, fingerprint(boss.Leaf())))
	open := setMMS(t, s, "\n  anonymous: [VIEWER]\n  peers:"+fmt.Sprintf(peers, fingerprint(boss.Leaf())))
	const ten, two, other = "10.1.2.3:40000", "192.0.2.7:40000", "198.51.100.1:40000"
	for _, tc := range []struct {
		name         string
		c            iso81.Credentials
		closed, open string // who it is, "" where it is refused
		proven       bool
	}{
		{"a certificate and an address", iso81.Credentials{RemoteAddr: ten, TLS: ems}, "ems here", "ems here", true},
		{"the certificate from elsewhere", iso81.Credentials{RemoteAddr: other, TLS: ems}, "ems", "ems", true},
		{"the address without the certificate", iso81.Credentials{RemoteAddr: ten}, "", "anonymous", false},
		{"a fingerprint", iso81.Credentials{RemoteAddr: other, TLS: boss}, "boss", "boss", true},
		{"a certificate in ACSE", iso81.Credentials{RemoteAddr: other, Certificate: boss}, "boss", "boss", true},
		{"a certificate that is nobody's", iso81.Credentials{RemoteAddr: other, TLS: guest}, "", "guest@" + domain, true},
		{"a password and its address", iso81.Credentials{RemoteAddr: two, Password: []byte("open sesame")}, "scada", "scada", false},
		{"the address without the password", iso81.Credentials{RemoteAddr: two}, "plant", "plant", false},
		{"a wrong password", iso81.Credentials{RemoteAddr: two, Password: []byte("Open Sesame")}, "", "", false},
		{"an empty password", iso81.Credentials{RemoteAddr: two, Password: []byte{}}, "", "", false},
		{"the password from elsewhere", iso81.Credentials{RemoteAddr: other, Password: []byte("open sesame")}, "", "", false},
		{"IPv6", iso81.Credentials{RemoteAddr: "[2001:db8::9]:40000"}, "six", "six", false},
		{"IPv4 in IPv6", iso81.Credentials{RemoteAddr: "[::ffff:192.0.2.9]:40000"}, "plant", "plant", false},
		{"no address", iso81.Credentials{RemoteAddr: "pipe"}, "", "anonymous", false},
		{"nobody", iso81.Credentials{RemoteAddr: other}, "", "anonymous", false},
	} {
		for where, want := range map[*Site]string{closed: tc.closed, open: tc.open} {
			p, err := where.mmsSubjects()
			if err != nil {
				t.Fatal(err)
			}
			who, err := p.subject(tc.c)
			if (err == nil) != (want != "") || who.Name != want || (len(who.Grants) > 0) != (want != "") {
				t.Errorf("%s: got %+v, %v, want %q", tc.name, who, err, want)
			}
			if want != "" && who.Unauthenticated == tc.proven {
				t.Errorf("%s: unauthenticated %t", tc.name, who.Unauthenticated)
			}
			if refused := (*iso81.RefusedError)(nil); err != nil && (!errors.As(err, &refused) || !strings.Contains(HintFor(err), FileName) || strings.Contains(err.Error(), "sesame")) {
				t.Errorf("%s: refused with %v, hint %q", tc.name, err, HintFor(err))
			}
		}
	}
}

func TestPasswordsOfPeersAreKeptFromOthers(t *testing.T) {
	s := setMMS(t, newSite(t), "{peers: [{name: scada, password_file: pki/scada.password, roles: [VIEWER]}]}")
	_, err := s.mmsSubjects()
	wantError(t, err, "scada: the password", "nobody else")
	if err := os.WriteFile(s.Path("pki", "scada.password"), []byte("open sesame\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = s.mmsSubjects()
	wantError(t, err, "is open to others", "nobody else")
}

func TestCertificateForMMS(t *testing.T) {
	s := newSite(t)
	s.mustIssue(t, "pv1")
	j, err := s.Account("pv1")
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.mmsIdentity(j)
	wantError(t, err, "no certificate for MMS over TLS", "busbar pki issue mms pv1@"+domain+" --host HOST")
	wantError(t, s.IssueMMS(j, []string{domain}, false), "domain of the broker", "of the IED")
	wantError(t, s.IssueMMS(j, []string{"a/b"}, false), "neither a DNS name nor an address", "")
	if err := s.IssueMMS(j, []string{"127.0.0.1"}, false); err != nil {
		t.Fatal(err)
	}
	wantError(t, s.IssueMMS(j, []string{"127.0.0.1"}, false), "already", "--force")
	if err := s.IssueMMS(j, []string{"127.0.0.2"}, true); err != nil {
		t.Error(err)
	}
	id, err := s.mmsIdentity(j)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Issue(j, nil, "", true); err != nil {
		t.Fatal(err)
	}
	if kept, err := s.mmsIdentity(j); err != nil || !kept.Chain[0].Equal(id.Chain[0]) {
		t.Errorf("after the others were issued anew: %v", err)
	}
	if err := s.Revoke(j); err != nil {
		t.Fatal(err)
	}
	trust, err := s.mmsTrust()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := trust.VerifyPeerServer(id.Chain, "127.0.0.2", time.Now()); err == nil {
		t.Error("the certificate is taken after the account was revoked")
	}
}

// overTCP runs pv1 without a broker until the test ends, and gives where it listens and what its log says.
func overTCP(t *testing.T, s *Site, o IEDOptions) (address string, events *audit.Memory, log *synced) {
	t.Helper()
	events, log = &audit.Memory{}, &synced{}
	ctx, cancel := context.WithCancel(t.Context())
	ready, ended := make(chan net.Addr, 1), make(chan error, 1)
	o.SCL, o.Audit, o.Logger = "../demo/scl/pv.cid", events, slog.New(slog.NewTextHandler(log, nil))
	o.MMS.Address, o.State = "127.0.0.1:0", NoState // several of one site have one name
	o.Ready = func(r *RunningIED) { ready <- r.MMS }
	go func() { ended <- s.RunIED(ctx, o) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	select {
	case a := <-ready:
		return a.String(), events, log
	case err := <-ended:
		ended <- nil
		t.Fatal(err)
	}
	return "", nil, nil
}

// synced is a buffer for several goroutines.
type synced struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *synced) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *synced) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func dialMMS(t *testing.T, p MMSParty, target string) (*Client, error) {
	t.Helper()
	at, err := ParseMMS(target)
	if err != nil {
		t.Fatal(err)
	}
	c, err := DialMMS(t.Context(), p, at)
	if err == nil {
		t.Cleanup(func() { c.Close(t.Context()) })
	}
	return c, err
}

var (
	power  = acsi.MustRef("PV1LD0/MMXU1.TotW[MX]")
	limit  = acsi.MustRef("PV1LD0/DGEN1.WMax.setMag.f[SP]")
	ninety = acsi.Assignment{Ref: limit, Value: value.Float(90)}
)

// An IED without a word about its clients refuses them all, and its log says where that word belongs.
//
// Conformance: sAssN2.
func TestNobodyIsServedOverTCPByDefault(t *testing.T) {
	s := newSite(t)
	address, events, log := overTCP(t, s, IEDOptions{})
	_, err := dialMMS(t, MMSParty{}, "mms://"+address)
	wantError(t, err, "authentication required", "--password-file")
	if said := log.String(); !strings.Contains(said, "an MMS client is refused") || !strings.Contains(said, "given under mms in "+FileName) {
		t.Errorf("the log says %q", said)
	}
	if !recorded(events, audit.PeerRefused) {
		t.Errorf("no event of the refusal in %v", events.Events())
	}
}

func recorded(events *audit.Memory, id audit.ID) bool {
	for _, e := range events.Events() {
		if e.ID == id {
			return true
		}
	}
	return false
}

// IEC 61850-8-1, IEC 62351-8: what a peer over TCP may do is what it has roles for.
//
// Conformance: sAssN1, sAssN2, sAssN7.
func TestServedOverTCPByRole(t *testing.T) {
	s := newSite(t)
	if err := os.WriteFile(s.Path("pki", "boss.password"), []byte("open sesame\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s = setMMS(t, s, "{anonymous: [VIEWER], peers: [{name: boss, password_file: pki/boss.password, roles: [ENGINEER]}]}")
	for _, strict := range []bool{false, true} {
		address, events, _ := overTCP(t, s, IEDOptions{MMS: ListenMMS{Strict: strict}})
		for _, tc := range []struct {
			password string
			writes   bool
		}{{"", false}, {"open sesame", true}} {
			c, err := dialMMS(t, MMSParty{Password: tc.password, Strict: strict}, "mms://"+address)
			if err != nil {
				t.Fatal(err)
			}
			if r, err := c.GetDataValues(t.Context(), []acsi.Ref{power}); err != nil || r[0].Err != nil {
				t.Errorf("read: %v, %v", r, err)
			}
			errs, err := c.SetDataValues(t.Context(), []acsi.Assignment{ninety})
			if err != nil || (errs[0] == nil) != tc.writes {
				t.Errorf("password %q: write: %v, %v, want it to be done: %t", tc.password, errs, err, tc.writes)
			}
			if id, err := c.Identify(t.Context()); err != nil || id.Vendor != "Busbar" || id.Model != "PVI-100" || id.Revision != "1.0" {
				t.Errorf("identify: %+v, %v", id, err)
			}
		}
		_, err := dialMMS(t, MMSParty{Password: "sesame"}, "mms://"+address)
		wantError(t, err, "authentication failure", "--password-file")
		if !recorded(events, audit.PeerTaken) || !recorded(events, audit.PeerRefused) || !recorded(events, audit.ValueWritten) || !recorded(events, audit.AccessDenied) {
			t.Errorf("an event is missing in %v", events.Events())
		}
	}
}

// What cannot be reached over TCP has a hint that names what to do.
func TestWhyAnIEDIsNotReachedOverTCP(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := closed.Addr().String()
	closed.Close()
	_, err = dialMMS(t, MMSParty{}, "mms://"+nobody)
	wantError(t, err, "connection refused", "does it serve MMS")

	rude, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer rude.Close()
	go func() {
		for {
			c, err := rude.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	_, err = dialMMS(t, MMSParty{}, "mms://"+rude.Addr().String())
	wantError(t, err, "connect to", "closes the connection")
}
