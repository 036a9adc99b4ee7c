package xmpp82_test

import (
	"bytes"
	"context"
	"errors"
	"regexp"
	"testing"
	"time"

	"busbar.example/internal/testbed"
	"busbar.example/mms"
	"busbar.example/scsm/xmpp82"
	"busbar.example/secure/e2e"
	"busbar.example/secure/rbac"
	"busbar.example/xmpp"
	"busbar.example/xmpp/stanza"
)

// rogue is an associated client that keeps to no rule: it has the keys, and sends what it likes in what it likes.
type rogue struct {
	t       *testing.T
	session *xmpp.Session
	got     chan stanza.Stanza // what comes unasked
	channel *e2e.Channel
	id      string
}

var associationContent = regexp.MustCompile(`(?s)^<association xmlns='[^']*' assoID='([0-9:]+)'>(.*)</association>`)

func initiateRequest() *mms.InitiateRequest {
	detail, nesting := int32(65000), int8(10)
	return &mms.InitiateRequest{LocalDetailCalling: &detail, ProposedMaxServOutstandingCalling: 16, ProposedMaxServOutstandingCalled: 16,
		ProposedDataStructureNestingLevel: &nesting,
		InitRequestDetail: mms.InitRequestDetail{ProposedVersionNumber: 1,
			ProposedParameterCBB: mms.ParamSTR1 | mms.ParamSTR2 | mms.ParamVNAM | mms.ParamVALT | mms.ParamVLIS}}
}

func initiateResponse() *mms.InitiateResponse {
	detail, nesting := int32(65000), int8(10)
	return &mms.InitiateResponse{LocalDetailCalled: &detail, NegotiatedMaxServOutstandingCalling: 16, NegotiatedMaxServOutstandingCalled: 16,
		NegotiatedDataStructureNestingLevel: &nesting,
		InitResponseDetail:                  mms.InitResponseDetail{NegotiatedVersionNumber: 1, NegotiatedParameterCBB: mms.ParamSTR1}}
}

func readRequest(invokeID uint32) *mms.ConfirmedRequest {
	return &mms.ConfirmedRequest{InvokeID: invokeID, Service: &mms.ReadRequest{VariableAccessSpecification: mms.ListOfVariable{
		{VariableSpecification: mms.VariableName{Name: mms.DomainSpecific{DomainID: "LD", ItemID: "X"}}}}}}
}

func encode(t *testing.T, pdu mms.PDU) []byte {
	t.Helper()
	octets, err := mms.AppendXER(nil, pdu)
	if err != nil {
		t.Fatal(err)
	}
	return octets
}

// associateRogue has a rogue associate with an Endpoint whose links the test serves itself.
func associateRogue(t *testing.T, bed *testbed.Bed, name string) *rogue {
	t.Helper()
	r := &rogue{t: t, got: make(chan stanza.Stanza, 300)}
	cfg := bed.Config(name, rbac.Engineer)
	cfg.XMPP.Handler = func(st stanza.Stanza) {
		if st.Kind == stanza.Message {
			r.got <- st
		}
	}
	var err error
	if r.session, err = xmpp.Dial(timeout(t), cfg.XMPP); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.session.Close() })
	initiator, sec := request(t, cfg, "17")
	reply, err := r.request(stanza.Set, "17", sec)
	if err != nil {
		t.Fatal(err)
	}
	m := associationContent.FindSubmatch(reply.Payload)
	if m == nil {
		t.Fatalf("answer %q", reply.Payload)
	}
	r.id = string(m[1])
	if r.channel, _, err = initiator.Answer(time.Now(), reply.From.String(), r.id, m[2]); err != nil {
		t.Fatal(err)
	}
	return r
}

// request makes a HandshakeReq for pv1.
func request(t *testing.T, cfg xmpp82.Config, half string) (*e2e.Initiator, []byte) {
	t.Helper()
	cfg.E2E.Protocol = xmpp82.Protocol
	initiator, err := e2e.NewInitiator(cfg.E2E, testbed.JID("pv1").Bare().String())
	if err != nil {
		t.Fatal(err)
	}
	sec, err := initiator.Request(time.Now(), half, encode(t, initiateRequest()))
	if err != nil {
		t.Fatal(err)
	}
	return initiator, sec
}

// handshake is a HandshakeReq of an account for pv1 in its association element.
func handshake(t *testing.T, bed *testbed.Bed, name, half string) []byte {
	t.Helper()
	_, sec := request(t, bed.Config(name), half)
	return envelope(half, sec)
}

func envelope(id string, sec []byte) []byte {
	return []byte("<association xmlns='http://www.iec.ch/62351/2018/ENV_4' assoID='" + id + "'>" + string(sec) + "</association>")
}

// request sends an iq and waits for its reply.
func (r *rogue) request(typ stanza.Type, id string, sec []byte) (stanza.Stanza, error) {
	return r.session.Request(timeout(r.t), stanza.Stanza{Kind: stanza.IQ, Type: typ, To: testbed.JID("pv1"), Payload: envelope(id, sec)})
}

// post sends an iq and gives where its outcome will be: "result", or the condition of an error.
func (r *rogue) post(typ stanza.Type, sec []byte) <-chan string {
	outcome := make(chan string, 2)
	_, err := r.session.SendIQ(timeout(r.t), stanza.Stanza{Kind: stanza.IQ, Type: typ, To: testbed.JID("pv1"), Payload: envelope(r.id, sec)}, func(reply stanza.Stanza) {
		if reply.Type == stanza.Result {
			outcome <- "result"
			return
		}
		e, _ := stanza.ParseError(reply.Payload)
		outcome <- string(e.Condition)
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return outcome
}

func (r *rogue) tell(typ stanza.Type, sec []byte) {
	r.t.Helper()
	err := r.session.Send(timeout(r.t), stanza.Stanza{Kind: stanza.Message, Type: typ, To: testbed.JID("pv1"), Payload: envelope(r.id, sec)})
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rogue) seal(octets []byte) []byte {
	r.t.Helper()
	sec, err := r.channel.Seal(nil, time.Now(), octets)
	if err != nil {
		r.t.Fatal(err)
	}
	return sec
}

// must is for what a channel gives.
func (r *rogue) must(sec []byte, err error) []byte {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
	return sec
}

// outcome waits for an answer.
func (r *rogue) outcome(c <-chan string) string {
	r.t.Helper()
	select {
	case got := <-c:
		return got
	case <-timeout(r.t).Done():
		r.t.Fatal("an iq has no answer")
		return ""
	}
}

// establish accepts one association on an Endpoint and answers its initiate.
func establish(t *testing.T, e *xmpp82.Endpoint) <-chan *xmpp82.Association {
	links := make(chan *xmpp82.Association, 1)
	ctx := timeout(t)
	go func() {
		defer close(links)
		link, err := e.Accept(ctx)
		if err == nil {
			_, err = link.Recv(ctx)
		}
		if err == nil {
			err = link.Send(ctx, initiateResponse())
		}
		if err != nil {
			t.Error(err)
			return
		}
		links <- link
	}()
	return links
}

// served is an Endpoint pv1 that takes associations.
func served(bed *testbed.Bed) *xmpp82.Endpoint {
	cfg := bed.Config("pv1")
	cfg.Serve = true
	return bed.Dial(cfg)
}

// Whatever an associated peer sends in an iq gets one answer, also where it ends the association.
// IEC 61850-8-2; RFC 6120, Section 8.2.3.
func TestEveryIQOfAPeerHasOneAnswer(t *testing.T) {
	const undefined, bad = string(stanza.UndefinedCondition), string(stanza.BadRequest)
	for _, tc := range []struct {
		name  string
		send  func(*rogue) []<-chan string
		want  []string
		event string // of the kind of stanza
		goes  bool   // the association goes on
	}{
		{"a PDU that is none", func(r *rogue) []<-chan string {
			return []<-chan string{r.post(stanza.Get, r.seal([]byte("<x xmlns='urn:x'/>")))}
		}, []string{bad}, "", true},
		{"a read in a set", func(r *rogue) []<-chan string {
			return []<-chan string{r.post(stanza.Set, r.seal(encode(r.t, readRequest(1))))}
		}, []string{bad}, "ConfirmedRequest in iq type=set", true},
		{"a response in a set", func(r *rogue) []<-chan string {
			return []<-chan string{r.post(stanza.Set, r.seal(encode(r.t, &mms.ConcludeResponse{})))}
		}, []string{bad}, "ConcludeResponse in iq type=set", true},
		{"an invokeID twice", func(r *rogue) []<-chan string {
			return []<-chan string{r.post(stanza.Get, r.seal(encode(r.t, readRequest(1)))), r.post(stanza.Get, r.seal(encode(r.t, readRequest(1))))}
		}, []string{undefined, undefined}, "", false},
		{"a second initiate", func(r *rogue) []<-chan string {
			return []<-chan string{r.post(stanza.Set, r.seal(encode(r.t, initiateRequest())))}
		}, []string{undefined}, "", false},
		{"a forged PDU", func(r *rogue) []<-chan string {
			return []<-chan string{r.post(stanza.Get, bytes.Replace(r.seal(encode(r.t, readRequest(1))), []byte("<applData>"), []byte("<applData>AAAA"), 1))}
		}, []string{undefined}, "", false},
		{"an abort in a set", func(r *rogue) []<-chan string {
			return []<-chan string{r.post(stanza.Set, r.must(r.channel.Abort(time.Now(), nil)))}
		}, []string{undefined}, "ApplAbort in iq type=set", false},
		{"a security abort in a get", func(r *rogue) []<-chan string {
			return []<-chan string{r.post(stanza.Get, r.must(r.channel.SecAbort(time.Now(), e2e.DtNoReason)))}
		}, []string{undefined}, "security abort in iq type=get", false},
		{"a release without a conclude", func(r *rogue) []<-chan string {
			return []<-chan string{r.post(stanza.Set, r.must(r.channel.ReleaseRequest(time.Now())))}
		}, []string{undefined}, "", false},
		{"a release in a get", func(r *rogue) []<-chan string {
			return []<-chan string{r.post(stanza.Get, r.must(r.channel.ReleaseRequest(time.Now())))}
		}, []string{undefined}, "ReleaseReq in iq type=get", false},
		{"a release in a message", func(r *rogue) []<-chan string {
			r.tell(stanza.Normal, r.must(r.channel.ReleaseRequest(time.Now())))
			return nil
		}, nil, "ReleaseReq in message type=normal", false},
		{"open calls, then an abort", func(r *rogue) []<-chan string {
			calls := []<-chan string{r.post(stanza.Get, r.seal(encode(r.t, readRequest(1)))), r.post(stanza.Get, r.seal(encode(r.t, readRequest(2))))}
			r.tell(stanza.Normal, r.must(r.channel.Abort(time.Now(), nil)))
			return calls
		}, []string{undefined, undefined}, "", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bed := testbed.Start(t, testbed.Options{})
			links := establish(t, served(bed))
			r := associateRogue(t, bed, "mallory")
			link := <-links
			first := r.post(stanza.Get, r.seal(encode(t, readRequest(99)))) // is not answered: it is open at the end
			calls := tc.send(r)
			ended := make(chan error, 1)
			go func() {
				for {
					if _, err := link.Recv(timeout(t)); err != nil {
						ended <- err
						return
					}
				}
			}()
			for i, call := range calls {
				if got := r.outcome(call); got != tc.want[i] {
					t.Errorf("iq %d is answered with %s, want %s", i, got, tc.want[i])
				}
			}
			if tc.goes {
				link.Close()
			}
			if got := r.outcome(first); got != undefined {
				t.Errorf("the iq that was open is answered with %s", got)
			}
			<-ended
			events := bed.Audit.Events()
			found := tc.event == ""
			for _, e := range events {
				found = found || bytes.Contains([]byte(e.Text), []byte(tc.event))
				if e.ID == "x-busbar:X6" {
					t.Errorf("an iq is answered twice: %v", e)
				}
			}
			if !found {
				t.Errorf("no event about %q in %v", tc.event, events)
			}
		})
	}
}

// A peer that sends more than was agreed while nobody reads loses the association, and each iq has its answer.
func TestPeerThatSendsTooMuch(t *testing.T) {
	bed := testbed.Start(t, testbed.Options{})
	links := establish(t, served(bed))
	r := associateRogue(t, bed, "mallory")
	link := <-links
	var calls []<-chan string
	for i := range uint32(200) {
		calls = append(calls, r.post(stanza.Get, r.seal(encode(t, readRequest(i)))))
	}
	for i, call := range calls {
		if got := r.outcome(call); got != string(stanza.UndefinedCondition) && got != string(stanza.ItemNotFound) {
			t.Errorf("iq %d is answered with %s", i, got)
		}
	}
	if pdu, err := link.Recv(timeout(t)); err == nil {
		t.Errorf("Recv gives %T after the end", pdu)
	}
	if _, err := r.channel.Open(time.Now(), testbed.JID("pv1").String(), r.id, associationContent.FindSubmatch((<-r.got).Payload)[2]); err != nil {
		t.Errorf("the peer is not told: %v", err)
	}
}

// A message that comes back ends the association with the peer that it was for.
func TestBouncedMessageEndsTheAssociation(t *testing.T) {
	bed := testbed.Start(t, testbed.Options{})
	links := establish(t, served(bed))
	r := associateRogue(t, bed, "mallory")
	link := <-links
	bounce := stanza.Stanza{Kind: stanza.Message, Type: stanza.TypeError, To: testbed.JID("pv1"), Payload: stanza.AppendError(nil, stanza.NewError(stanza.Gone, ""))}
	if err := r.session.Send(timeout(t), bounce); err != nil {
		t.Fatal(err)
	}
	if _, err := link.Recv(timeout(t)); !errors.Is(err, &stanza.Error{Condition: stanza.Gone}) {
		t.Errorf("ended with %v, want gone", err)
	}
}

// An association that its peer has not confirmed takes no place from those that stand.
func TestHalfOpenAssociationsTakeNoPlace(t *testing.T) {
	bed := testbed.Start(t, testbed.Options{})
	cfg := bed.Config("pv1")
	cfg.Serve, cfg.MaxAssociations = true, 2
	e := bed.Dial(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	accepted := make(chan *xmpp82.Association, 4)
	go func() {
		defer close(accepted)
		for {
			link, err := e.Accept(ctx)
			if err != nil {
				return
			}
			link.Recv(ctx)
			link.Send(ctx, initiateResponse())
			accepted <- link
		}
	}()
	t.Cleanup(func() {
		cancel()
		for range accepted {
		}
	})
	a := associateRogue(t, bed, "a")
	first := <-accepted
	associateRogue(t, bed, "b")
	<-accepted // half-open, as is a's
	a.post(stanza.Get, a.seal(encode(t, readRequest(1))))
	if _, err := first.Recv(timeout(t)); err != nil {
		t.Fatalf("a is confirmed: %v", err)
	}
	c := associateRogue(t, bed, "c") // one stands, one is half-open
	third := <-accepted
	c.post(stanza.Get, c.seal(encode(t, readRequest(1))))
	if _, err := third.Recv(timeout(t)); err != nil {
		t.Fatalf("c is confirmed: %v", err)
	}
	link, err := bed.Dial(bed.Config("d")).Associate(testbed.JID("pv1"))
	if err != nil {
		t.Fatal(err)
	}
	if err := link.Send(timeout(t), initiateRequest()); err != nil {
		t.Fatal(err)
	}
	if _, err := link.Recv(timeout(t)); !errors.Is(err, &stanza.Error{Condition: stanza.ResourceConstraint}) {
		t.Errorf("two stand, and a third gets %v, want resource-constraint", err)
	}
	first.Close()
	associateRogue(t, bed, "e")
	<-accepted
}
