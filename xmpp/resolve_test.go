package xmpp

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/dns/dnsmessage"
)

// A stubDNS answers the questions of a Resolver without a network.
type stubDNS struct {
	answer func(q dnsmessage.Question) (code dnsmessage.RCode, answers []dnsmessage.Resource, ok bool)
	raw    func(query []byte) []byte // instead
}

// resolver returns what asks d. Go's resolver takes a connection that is no
// PacketConn for TCP, with two octets of length before each message.
func (d *stubDNS) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go d.serve(theirs)
		return ours, nil
	}}
}

func (d *stubDNS) serve(c net.Conn) {
	defer c.Close()
	for {
		var size [2]byte
		if _, err := io.ReadFull(c, size[:]); err != nil {
			return
		}
		query := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(c, query); err != nil {
			return
		}
		reply := d.reply(query)
		if reply == nil {
			return
		}
		c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...))
	}
}

func (d *stubDNS) reply(query []byte) []byte {
	if d.raw != nil {
		return d.raw(query)
	}
	var m dnsmessage.Message
	if err := m.Unpack(query); err != nil {
		panic(err)
	}
	code, answers, ok := d.answer(m.Questions[0])
	if !ok {
		return nil
	}
	m.Header = dnsmessage.Header{ID: m.ID, Response: true, RecursionAvailable: true, RCode: code}
	m.Answers, m.Additionals = answers, nil
	packed, err := m.Pack()
	if err != nil {
		panic(err)
	}
	return packed
}

// srv is an answer's record.
func srv(priority, weight uint16, target string, port uint16) dnsmessage.Resource {
	name := dnsmessage.MustNewName("srv.test.")
	return dnsmessage.Resource{
		Header: dnsmessage.ResourceHeader{Name: name, Type: dnsmessage.TypeSRV, Class: dnsmessage.ClassINET, TTL: 60},
		Body:   &dnsmessage.SRVResource{Priority: priority, Weight: weight, Port: port, Target: dnsmessage.MustNewName(target)},
	}
}

func TestTargets(t *testing.T) {
	const fails, cut = "SERVFAIL", "cut off"
	many := make([]dnsmessage.Resource, 500)
	for i := range many {
		many[i] = srv(uint16(i), 0, fmt.Sprintf("x%d.dso.test.", i), 5222)
	}
	for _, tc := range []struct {
		name    string
		domain  string // default dso.test
		service Service
		answers map[string]any // by the name that is asked: records, or one of the words above; default none
		static  map[string][]Target
		want    []string
		err     string
	}{
		{
			name: "by priority", answers: map[string]any{
				"_xmpp-client._tcp.dso.test.": []dnsmessage.Resource{srv(20, 0, "b.dso.test.", 5222), srv(10, 5, "a.dso.test.", 15222)},
			},
			want: []string{"a.dso.test:15222", "b.dso.test:5222"},
		},
		{
			name: "both siblings are one list", answers: map[string]any{
				"_xmpp-client._tcp.dso.test.":  []dnsmessage.Resource{srv(10, 0, "a.dso.test.", 5222), srv(30, 0, "c.dso.test.", 5222)},
				"_xmpps-client._tcp.dso.test.": []dnsmessage.Resource{srv(5, 0, "a.dso.test.", 5223), srv(20, 0, "a.dso.test.", 443)},
			},
			want: []string{"tls://a.dso.test:5223", "a.dso.test:5222", "tls://a.dso.test:443", "c.dso.test:5222"},
		},
		{
			name: "of servers", service: ServerService, answers: map[string]any{
				"_xmpp-server._tcp.dso.test.":  []dnsmessage.Resource{srv(1, 0, "a.dso.test.", 5269)},
				"_xmpps-server._tcp.dso.test.": []dnsmessage.Resource{srv(0, 0, "a.dso.test.", 5270)},
			},
			want: []string{"tls://a.dso.test:5270", "a.dso.test:5269"},
		},
		{name: "no record", want: []string{"dso.test:5222"}},
		{name: "no record of servers", service: ServerService, want: []string{"dso.test:5269"}},
		{
			name: "no answer that counts", want: []string{"dso.test:5222"},
			answers: map[string]any{"_xmpp-client._tcp.dso.test.": fails, "_xmpps-client._tcp.dso.test.": cut},
		},
		{
			name: "one sibling has no answer", want: []string{"a.dso.test:5222"},
			answers: map[string]any{"_xmpp-client._tcp.dso.test.": []dnsmessage.Resource{srv(1, 0, "a.dso.test.", 5222)}, "_xmpps-client._tcp.dso.test.": cut},
		},
		{
			name: "not offered", err: "does not offer",
			answers: map[string]any{"_xmpp-client._tcp.dso.test.": []dnsmessage.Resource{srv(0, 0, ".", 0)}},
		},
		{
			name: "direct TLS alone", want: []string{"tls://a.dso.test:443"},
			answers: map[string]any{
				"_xmpp-client._tcp.dso.test.":  []dnsmessage.Resource{srv(0, 0, ".", 0)},
				"_xmpps-client._tcp.dso.test.": []dnsmessage.Resource{srv(0, 0, "a.dso.test.", 443)},
			},
		},
		{
			name: "no direct TLS", want: []string{"dso.test:5222"},
			answers: map[string]any{"_xmpps-client._tcp.dso.test.": []dnsmessage.Resource{srv(0, 0, ".", 0)}},
		},
		{
			name: "not more than are worth a try", want: strings.Fields("x0.dso.test:5222 x1.dso.test:5222 x2.dso.test:5222 x3.dso.test:5222 x4.dso.test:5222 x5.dso.test:5222 " +
				"x6.dso.test:5222 x7.dso.test:5222 x8.dso.test:5222 x9.dso.test:5222 x10.dso.test:5222 x11.dso.test:5222 x12.dso.test:5222 x13.dso.test:5222 x14.dso.test:5222 x15.dso.test:5222"),
			answers: map[string]any{"_xmpp-client._tcp.dso.test.": many},
		},
		{
			name: "each once", want: []string{"a.dso.test:5222"},
			answers: map[string]any{"_xmpp-client._tcp.dso.test.": []dnsmessage.Resource{srv(1, 7, "a.dso.test.", 5222), srv(1, 9, "A.dso.test.", 5222), srv(2, 0, "a.dso.test.", 5222)}},
		},
		{
			name: "records of no use are passed over", want: []string{"a.dso.test:5222"},
			answers: map[string]any{"_xmpp-client._tcp.dso.test.": []dnsmessage.Resource{
				srv(0, 0, ".", 5222), srv(0, 0, "a.dso.test.", 0), srv(0, 0, "127.0.0.1.", 5222), srv(0, 0, "a b.test.", 5222), srv(0, 0, "a:1/@.test.", 5222), srv(9, 0, "a.dso.test.", 5222),
			}},
		},
		{
			name: "no record of use", err: "no record of the DNS's answer is of use",
			answers: map[string]any{"_xmpp-client._tcp.dso.test.": []dnsmessage.Resource{srv(0, 0, "a.dso.test.", 0), srv(0, 0, "127.0.0.1.", 5222)}},
		},
		{
			name: "names that are none", err: "no record of the DNS's answer is of use",
			answers: map[string]any{"_xmpp-client._tcp.dso.test.": []dnsmessage.Resource{srv(0, 0, "-a\x00.", 5222), srv(0, 0, "a@b.", 5222)}},
		},
		{
			name: "static", static: map[string][]Target{"dso.test": {{Address: "192.0.2.1:5222", Static: true}, {Address: "[2001:db8::1]:443", Direct: true, Static: true}}},
			answers: map[string]any{"_xmpp-client._tcp.dso.test.": []dnsmessage.Resource{srv(0, 0, "a.dso.test.", 5222)}},
			want:    []string{"192.0.2.1:5222", "tls://[2001:db8::1]:443"},
		},
		{name: "internationalised", domain: "netz.österreich", want: []string{"a.dso.test:1"}, answers: map[string]any{"_xmpp-client._tcp.netz.xn--sterreich-z7a.": []dnsmessage.Resource{srv(0, 0, "a.dso.test.", 1)}}},
		{name: "an IPv4 address", domain: "192.0.2.1", want: []string{"192.0.2.1:5222"}},
		{name: "an IPv6 address", domain: "[2001:db8::1]", want: []string{"[2001:db8::1]:5222"}},
		{name: "no domain", domain: "a@b", err: "looking up xmpp-client"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.domain == "" {
				tc.domain = "dso.test"
			}
			if tc.service == "" {
				tc.service = ClientService
			}
			dns := &stubDNS{answer: func(q dnsmessage.Question) (dnsmessage.RCode, []dnsmessage.Resource, bool) {
				switch a := tc.answers[q.Name.String()].(type) {
				case []dnsmessage.Resource:
					return dnsmessage.RCodeSuccess, a, true
				case string:
					return dnsmessage.RCodeServerFailure, nil, a != cut
				}
				return dnsmessage.RCodeNameError, nil, true
			}}
			r := &Resolver{Static: tc.static, DNS: dns.resolver()}
			targets, err := r.Targets(t.Context(), tc.domain, tc.service)
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Errorf("Targets = %v, %v; want an error with %q", targets, err, tc.err)
				}
				return
			}
			var got []string
			for _, target := range targets {
				got = append(got, target.String())
			}
			if diff := cmp.Diff(tc.want, got); err != nil || diff != "" {
				t.Errorf("Targets: %v (-want +got):\n%s", err, diff)
			}
		})
	}
}

// notOffered is a DNS in which no domain has any service.
func notOffered() *stubDNS {
	return &stubDNS{answer: func(dnsmessage.Question) (dnsmessage.RCode, []dnsmessage.Resource, bool) {
		return dnsmessage.RCodeSuccess, []dnsmessage.Resource{srv(0, 0, ".", 0)}, true
	}}
}

func TestNotOfferedIsAnErrorOfItsOwn(t *testing.T) {
	if _, err := (&Resolver{DNS: notOffered().resolver()}).Targets(t.Context(), "dso.test", ClientService); !errors.Is(err, ErrNotOffered) {
		t.Errorf("Targets: %v; want ErrNotOffered", err)
	}
}

func TestASilentDNSDelaysNoLongerThanItsTime(t *testing.T) {
	var silent net.Resolver
	silent.PreferGo = true
	silent.Dial = func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() {
			defer theirs.Close()
			io.Copy(io.Discard, theirs)
		}()
		return ours, nil
	}
	r := &Resolver{DNS: &silent, timeout: 50 * time.Millisecond}
	if targets, err := r.Targets(t.Context(), "dso.test", ClientService); err != nil || len(targets) != 1 || targets[0].Address != "dso.test:5222" {
		t.Errorf("Targets = %v, %v; want dso.test:5222", targets, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if targets, err := r.Targets(ctx, "dso.test", ClientService); !errors.Is(err, context.Canceled) {
		t.Errorf("Targets with a context that has ended = %v, %v; want its error", targets, err)
	}
}

// RFC 2782: within a priority, the running sum of weights against a random number.
func TestOrderByWeight(t *testing.T) {
	records := func() []record {
		rr := func(priority, weight uint16, target string) record {
			return record{SRV: &net.SRV{Target: target, Port: 1, Priority: priority, Weight: weight}}
		}
		return []record{rr(2, 9, "last."), rr(1, 10, "ten."), rr(1, 0, "zero."), rr(1, 30, "thirty.")}
	}
	first := map[string]int{}
	for at := range uint32(41) {
		got := order(records(), func(n uint32) uint32 { return min(at, n-1) })
		if len(got) != 4 || got[3].Address != "last:1" {
			t.Fatalf("order with %d = %v; want four, last.:1 at the end", at, got)
		}
		first[got[0].Address]++
	}
	want := map[string]int{"zero:1": 1, "ten:1": 10, "thirty:1": 30}
	if diff := cmp.Diff(want, first); diff != "" {
		t.Errorf("first of 41 (-want +got):\n%s", diff)
	}
}

func TestParseTarget(t *testing.T) {
	for in, want := range map[string]Target{
		"h:1":               {Address: "h:1", Static: true},
		"tls://h.test:5223": {Address: "h.test:5223", Direct: true, Static: true},
		"[::1]:5222":        {Address: "[::1]:5222", Static: true},
		"tls://[::1]:65535": {Address: "[::1]:65535", Direct: true, Static: true},
	} {
		if got, err := ParseTarget(in); err != nil || got != want || got.String() != in {
			t.Errorf("ParseTarget(%q) = %+v (%v), %v; want %+v", in, got, got, err, want)
		}
	}
	for _, in := range []string{"", "h", ":1", "h:", "h:0", "h:65536", "h:http", "::1:5222", "http://h:1", "tls://", "tls://tls://h:1", "a b:1", strings.Repeat("x", 1<<16)} {
		if got, err := ParseTarget(in); err == nil || len(err.Error()) > 200 {
			t.Errorf("ParseTarget(%.80q) = %+v, %v; want a short error", in, got, err)
		}
	}
}

// FuzzTargets shows a Resolver the DNS's answer, whatever stands in it.
func FuzzTargets(f *testing.F) {
	answer := func(resources ...dnsmessage.Resource) []byte {
		m := dnsmessage.Message{Answers: resources}
		packed, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		return packed[12:]
	}
	f.Add(answer(srv(1, 2, "a.dso.test.", 5222)), uint16(1), "dso.test")
	f.Add(answer(srv(1, 2, "a.dso.test.", 5222), srv(1, 0, "b.dso.test.", 1), srv(0, 9, "127.0.0.1.", 443)), uint16(3), "192.0.2.1")
	f.Add(answer(srv(0, 0, ".", 0)), uint16(1), "netz.österreich")
	f.Add(answer(srv(0, 0, "a b\x00.", 1)), uint16(2), "[::1]")
	f.Add([]byte{0xc0, 0x0c, 0, 33, 0, 1, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 1, 0xc0, 0x0c}, uint16(1), "a.b.c")
	f.Fuzz(func(t *testing.T, answers []byte, n uint16, domain string) {
		if len(answers) > 32<<10 {
			t.Skip()
		}
		dns := &stubDNS{raw: func(query []byte) []byte {
			var p dnsmessage.Parser
			h, err := p.Start(query)
			if err != nil {
				panic(err)
			}
			if err := p.SkipAllQuestions(); err != nil {
				panic(err)
			}
			end := 12
			for query[end] != 0 {
				end += int(query[end]) + 1
			}
			reply := append([]byte{byte(h.ID >> 8), byte(h.ID), 0x81, 0x80, 0, 1, byte(n >> 8), byte(n), 0, 0, 0, 0}, query[12:end+5]...)
			return append(reply, answers...)
		}}
		r := &Resolver{DNS: dns.resolver()}
		targets, err := r.Targets(t.Context(), domain, ClientService)
		if err == nil && (len(targets) == 0 || len(targets) > maxTargets) {
			t.Fatalf("%d targets; want 1 to %d", len(targets), maxTargets)
		}
		seen := map[Target]bool{}
		for _, target := range targets {
			parsed, err := ParseTarget(target.String())
			parsed.Static = false
			if err != nil || parsed != target || seen[target] {
				t.Errorf("target %+v is no place, or stands there twice: %v", target, err)
			}
			seen[target] = true
		}
	})
}
