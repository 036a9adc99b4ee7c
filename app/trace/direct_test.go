package trace_test

import (
	"context"
	"net"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"busbar.example/acsi/server"
	"busbar.example/app/trace"
	"busbar.example/mms/assoc"
	"busbar.example/scsm/iso81"
	"busbar.example/scsm/mmsmap"
	"busbar.example/secure/rbac"
)

// overTCP serves pv1 by MMS over TCP until the test ends: to viewers, or with refuse to nobody.
func overTCP(t *testing.T, refuse bool) (address string) {
	t.Helper()
	engine, err := server.New(server.Config{Model: pv(t)})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l, err := iso81.NewListener(ln, iso81.ServerConfig{Subject: func(iso81.Credentials) (rbac.Subject, error) {
		if refuse {
			return rbac.Subject{}, iso81.Refuse(iso81.DiagnosticAuthenticationRequired, nil)
		}
		return rbac.Subject{Name: "viewer", Grants: []rbac.Grant{(*rbac.Policy)(nil).NewGrant(rbac.Viewer, "")}}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		for {
			link, err := l.Accept(ctx)
			if err != nil {
				return
			}
			running.Go(func() { mmsmap.Serve(ctx, link, mmsmap.ServerConfig{Services: engine.Services}) })
		}
	})
	t.Cleanup(func() {
		cancel()
		l.Close()
		running.Wait()
	})
	return l.Addr().String()
}

// showDirect traces what do does on an association over TCP.
func showDirect(t *testing.T, o trace.Options, address string, do func(context.Context, *mmsmap.Client) error) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	o.Client, o.Peer, o.Direct = "client", address, true
	var out safe
	tracer := trace.New(&out, o)
	err := func() error {
		link, err := iso81.Dial(ctx, address, iso81.Config{Trace: tracer.MMSHooks()})
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
	}()
	tracer.Close(err)
	return out.String()
}

// references count up with each connection of a process.
var references = regexp.MustCompile(`references \d+ and \d+`)

func TestChartOfARunOverTCP(t *testing.T) {
	address := overTCP(t, false)
	for _, tt := range []struct {
		name, address string
		do            func(context.Context, *mmsmap.Client) error
	}{
		{"mms-get", address, get},
		{"mms-set-refused", address, set},
		{"mms-refused", overTCP(t, true), get},
		{"mms-nobody", "127.0.0.1:1", get},
	} {
		t.Run(tt.name, func(t *testing.T) {
			golden(t, tt.name+".txt", references.ReplaceAllString(showDirect(t, wide, tt.address, tt.do), "references 1 and 2"))
		})
	}
}

func TestRawTraceOverTCPShowsThePDU(t *testing.T) {
	address := overTCP(t, false)
	if got := showDirect(t, trace.Options{Raw: true}, address, get); !strings.Contains(got, "<itemId>MMXU1$MX$TotW</itemId>") {
		t.Errorf("the chart has no PDU:\n%s", got)
	}
	got := showDirect(t, trace.Options{Raw: true, JSON: true}, address, get)
	for _, want := range []string{`"event":"layer"`, `"layer":"COTP"`, `"layer":"ACSE"`, `"spdu":"DATA TRANSFER"`, `"tsdu":`, `"ber":"a8`, `"event":"ended"`} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in:\n%s", want, got)
		}
	}
}
