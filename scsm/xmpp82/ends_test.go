package xmpp82_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"

	"busbar.example/internal/testbed"
	"busbar.example/mms"
	"busbar.example/mms/assoc"
	"busbar.example/scsm/xmpp82"
	"busbar.example/secure/audit"
	"busbar.example/value"
)

// couple is an association, both its ends in the test's hands, and the sessions below.
type couple struct {
	client, server                 *assoc.Association
	clientEndpoint, serverEndpoint *xmpp82.Endpoint
	cut                            func() // breaks the client's connection, without a word
}

func readItem(item string) *mms.ReadRequest {
	return &mms.ReadRequest{VariableAccessSpecification: mms.ListOfVariable{
		{VariableSpecification: mms.VariableName{Name: mms.DomainSpecific{DomainID: "LD", ItemID: item}}}}}
}

func itemOf(r mms.ConfirmedServiceRequest) string {
	return r.(*mms.ReadRequest).VariableAccessSpecification.(mms.ListOfVariable)[0].VariableSpecification.(mms.VariableName).Name.(mms.DomainSpecific).ItemID
}

func answer(text string) *mms.ReadResponse {
	return &mms.ReadResponse{ListOfAccessResult: []mms.AccessResult{&mms.Success{Value: value.Visible(text)}}}
}

func textOf(r mms.ConfirmedServiceResponse) string {
	return r.(*mms.ReadResponse).ListOfAccessResult[0].(*mms.Success).Value.Text()
}

// pair goes on line as ems and pv1 and associates the two.
func pair(t testing.TB, bed *testbed.Bed, ask, serve assoc.Config) *couple {
	t.Helper()
	c := &couple{}
	cfg := bed.Config("pv1")
	cfg.Serve = true
	cfg.XMPP.Resume = -1 // a lost connection is a lost session
	c.serverEndpoint = bed.Dial(cfg)
	cfg = bed.Config("ems")
	cfg.XMPP.Resume = -1
	dial := cfg.XMPP.Dialer
	if dial == nil {
		dial = func(ctx context.Context) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", bed.Address())
		}
	}
	cfg.XMPP.Dialer = func(ctx context.Context) (net.Conn, error) {
		conn, err := dial(ctx)
		c.cut = func() { conn.Close() }
		return conn, err
	}
	c.clientEndpoint = bed.Dial(cfg)
	c.client, c.server = join(t, c.clientEndpoint, c.serverEndpoint, ask, serve)
	return c
}

// join associates ems with pv1.
func join(t testing.TB, from, to *xmpp82.Endpoint, ask, serve assoc.Config) (client, server *assoc.Association) {
	t.Helper()
	link, err := from.Associate(testbed.JID("pv1"))
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan error, 1)
	go func() {
		link, err := to.Accept(timeout(t))
		if err == nil {
			server, err = assoc.Accept(timeout(t), link, serve, func(*assoc.Association) (assoc.Handler, mms.ServiceSupportOptions, error) {
				return serve.Handler, mms.Services(mms.ServiceRead), nil
			})
		}
		accepted <- err
	}()
	client, err = assoc.Initiate(timeout(t), link, ask)
	if err := errors.Join(err, <-accepted); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Abort(); server.Abort() })
	return client, server
}

// either is for an end that hears first of its own session or of the other's.
const either = "either"

// How an association ends, in each mode of XMPP: both ends learn of it and why, calls that are open have no answer and are
// said to be of unknown outcome, the audit trail has it, and nothing remains. IEC 61850-8-2, Abort and Release.
func TestEnds(t *testing.T) {
	for _, tc := range []struct {
		name           string
		end            func(t *testing.T, bed *testbed.Bed, c *couple)
		client, server string // how the text begins that says why; "" for in order
	}{
		{"the client concludes", func(t *testing.T, _ *testbed.Bed, c *couple) {
			if err := c.client.Conclude(timeout(t)); err != nil {
				t.Errorf("conclude: %v", err)
			}
		}, "", ""},
		{"the server concludes", func(t *testing.T, _ *testbed.Bed, c *couple) {
			if err := c.server.Conclude(timeout(t)); err != nil {
				t.Errorf("conclude: %v", err)
			}
		}, "", ""},
		{"the client aborts", func(_ *testing.T, _ *testbed.Bed, c *couple) { c.client.Abort() },
			"association aborted here", "ems@test.example/IEC aborted the association"},
		{"the server aborts", func(_ *testing.T, _ *testbed.Bed, c *couple) { c.server.Abort() },
			"pv1@test.example/IEC aborted the association", "association aborted here"},
		{"the client's session ends", func(_ *testing.T, _ *testbed.Bed, c *couple) { c.clientEndpoint.Session().Close() },
			"XMPP session lost", "ems@test.example/IEC is no longer available"},
		{"the server's session ends", func(_ *testing.T, _ *testbed.Bed, c *couple) { c.serverEndpoint.Session().Close() },
			"pv1@test.example/IEC is no longer available", "XMPP session lost"},
		{"the client closes its endpoint", func(_ *testing.T, _ *testbed.Bed, c *couple) { c.clientEndpoint.Close() },
			"association closed here", "ems@test.example/IEC aborted the association"},
		{"the client's link is lost", func(_ *testing.T, _ *testbed.Bed, c *couple) { c.cut() },
			"XMPP session lost", "ems@test.example/IEC is no longer available"},
		{"the broker is gone", func(_ *testing.T, bed *testbed.Bed, _ *couple) { bed.Broker().Close() },
			either, either},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, m := range testbed.Modes82 {
				t.Run(m.String(), func(t *testing.T) {
					bed := testbed.Start(t, testbed.Options{Mode: m, Listener: testbed.NewListener()})
					end(t, bed, func(c *couple) { tc.end(t, bed, c) }, tc.client, tc.server)
				})
			}
		})
	}
}

func end(t *testing.T, bed *testbed.Bed, how func(*couple), clientsWhy, serversWhy string) {
	entered := make(chan struct{}, 2)
	waits := func(ctx context.Context, _ mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error) {
		entered <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	}
	c := pair(t, bed, assoc.Config{Handler: waits}, assoc.Config{Handler: waits})
	open := make(chan error, 2)
	for _, a := range []*assoc.Association{c.client, c.server} {
		go func() {
			_, err := a.Call(timeout(t), readItem("x"))
			open <- err
		}()
		<-entered // the client's first: the server's would wait for it
	}
	how(c)
	for _, side := range []struct {
		name string
		a    *assoc.Association
		e    *xmpp82.Endpoint
		want string
	}{{"client", c.client, c.clientEndpoint, clientsWhy}, {"server", c.server, c.serverEndpoint, serversWhy}} {
		select {
		case <-side.a.Done():
		case <-timeout(t).Done():
			t.Fatalf("the %s's association goes on", side.name)
		}
		err := side.a.Err()
		if (err == nil) != (side.want == "") || err != nil && (!errors.Is(err, net.ErrClosed) || side.want != either && !strings.HasPrefix(err.Error(), side.want)) {
			t.Errorf("the %s's end: %v, want %q", side.name, err, side.want)
		}
		if _, err := side.a.Call(timeout(t), readItem("y")); !errors.Is(err, net.ErrClosed) || errors.Is(err, assoc.ErrNoAnswer) {
			t.Errorf("a call of the %s after the end: %v", side.name, err)
		}
		if links, standing, halfOpen, ids := side.e.Tables(); links+standing+halfOpen+ids != 0 {
			t.Errorf("the %s remembers %d associations, %d that stand, %d half-open, %d ids in use", side.name, links, standing, halfOpen, ids)
		}
	}
	for range 2 {
		if err := <-open; !errors.Is(err, assoc.ErrNoAnswer) {
			t.Errorf("a call that was open ends with %v, want that its outcome is unknown", err)
		}
	}
	began, ended := 0, 0
	for _, ev := range bed.Audit.Events() {
		switch ev.ID {
		case audit.E2EEstablished:
			began++
		case audit.E2EEnded:
			ended++
		}
	}
	if began != 2 || ended != 2 {
		t.Errorf("the audit trail has %d beginnings and %d ends, want one of each end", began, ended)
	}
}
