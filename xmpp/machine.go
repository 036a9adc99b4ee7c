package xmpp

import (
	"errors"
	"fmt"
	"time"

	"busbar.example/secure/audit"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/sasl"
)

// A machine negotiates one stream, from the first header to the bound resource,
// as either end. It does no I/O and knows no time: its shell feeds it what has
// arrived, sends what it returns, and then does what its state asks for.
//
//	opening      the peer's header came      choosing
//	choosing     a feature begins            negotiating
//	negotiating  TLS is agreed               securing
//	             authenticated               opening
//	             refused                     choosing
//	             a resource is asked for     binding (receiver)
//	             a stream is asked for       resuming (receiver)
//	             it is bound, or resumed     ready (initiator)
//	securing     TLS is up                   opening
//	binding      the application has chosen  ready
//	             it has refused              choosing
//	resuming     the application has agreed  ready
//	             it has refused              choosing
//
// Every error leads to failed.
type machine struct {
	initiator bool
	domain    string     // the server's
	account   jid.JID    // initiator: whom to log in as
	resource  string     // initiator: what to ask for, "" for any
	features  []*feature // in the order in which they are negotiated
	clients   []sasl.Client
	servers   []sasl.Server
	limits    Limits
	patience  time.Duration // receiver: silence that is borne
	newID     func() string // of streams and requests: unpredictable
	between   *domains      // of a stream between servers; nil on a client's
	direct    bool          // TLS comes first
	manages   bool          // receiver: acknowledges stanzas
	previous  *resumption   // the stream to take up; of a receiver, that was asked for; nil for none

	register func(account jid.JID, password string) error // receiver: takes new accounts; nil: there are none
	tells    []byte                                       // receiver: of features that need no negotiation

	state   state
	current *feature // in negotiating
	headed  bool     // our header of the current stream was sent
	tries   int      // refusals so far, of a receiving entity

	registered bool // an account was made
	learned

	clientStep sasl.ClientStep // of the exchange under way
	satisfied  bool            // clientStep needs nothing more
	serverStep sasl.ServerStep
	requestID  string // of the bind request under way
}

// learned is what one end knows of the stream. It is void after TLS and after
// SASL, but for what these prove themselves.
//
// RFC 6120, Sections 5.4.3.3 and 6.4.6.
type learned struct {
	streamID    string        // made by the receiving entity
	maxSilence  time.Duration // initiator: that the server bears, 0 if it does not say
	maxStanza   int           // initiator: octets that the server accepts, 0 if it does not say
	bindings    []string      // initiator: types of channel binding that the server announces
	managed     bool          // initiator: the server acknowledges stanzas
	peerHandled uint32        // initiator: how many of the stream that is taken up it has handled
	proven
}

// proven is what TLS and SASL have proved.
type proven struct {
	secured   bool
	channel   sasl.Channel
	id        jid.JID // authenticated account, then the bound address
	mechanism string
	login     sasl.Login // an initiator knows its Binding only
}

// maxTries is how many refusals a receiving entity bears, of SASL and of
// binding together.
//
// RFC 6120, Section 6.4.5.
const maxTries = 3

// state says what a machine waits for.
type state uint8

const (
	opening     state = iota // the peer's stream header; whatever is buffered before it is an attack
	choosing                 // initiator: the features; receiver: the choice of one
	negotiating              // the next element of the current feature
	securing                 // the TLS handshake
	binding                  // receiver: the application's choice of a resource
	resuming                 // receiver: its consent to take up a stream
	ready                    // nothing: the stream can be used
	failed                   // nothing
)

func (s state) String() string {
	return [...]string{"opening", "choosing", "negotiating", "securing", "binding", "resuming", "ready", "failed"}[s]
}

// step is what the shell sends, and records, before it does what the state asks for.
type step struct {
	write []byte
	event *event
}

// event is a security event that does not end the stream.
type event struct {
	id   audit.ID
	text string
}

func newMachine(domain string) *machine {
	return &machine{domain: domain, features: []*feature{&streamLimits, &startTLS, &channelBinding, &authentication, &streamResumption, &resourceBinding}}
}

// start begins the negotiation. The initiator speaks first.
func (m *machine) start() step {
	switch {
	case m.direct:
		m.becomeSecuring()
		return step{}
	case !m.initiator:
		return step{}
	}
	return m.becomeOpening(m.proven)
}

// header takes the peer's stream header.
//
// RFC 6120, Section 4.7.
func (m *machine) header(h header) (step, error) {
	if m.initiator {
		return step{}, m.headerFromServer(h)
	}
	from := m.headerFromClient
	if m.between != nil {
		from = m.headerFromDomain
	}
	if err := from(h); err != nil {
		return step{}, err
	}
	m.becomeChoosing()
	out := m.appendHeader(nil)
	out = append(out, "<stream:features>"...)
	for _, f := range m.features {
		if f.wanted(m) {
			out = f.announce(m, out)
		}
	}
	out = append(out, "</stream:features>"...)
	if m.between != nil && !m.id.IsZero() {
		m.becomeReady()
	}
	return step{write: out}, nil
}

func (m *machine) headerFromServer(h header) error {
	if from, err := jid.Parse(h.from); err != nil || from.String() != m.domain {
		return &NegotiationError{Step: StepStream, Err: fmt.Errorf("the server speaks for %q, not for %s", h.from, m.domain),
			Hint: "check the host and port: another domain is served there"}
	}
	if h.id == "" {
		return &StreamError{Condition: BadFormat, Text: "the stream has no id"}
	}
	m.streamID = h.id
	m.becomeChoosing()
	return nil
}

func (m *machine) headerFromClient(h header) error {
	to, err := jid.Parse(h.to)
	if err != nil || to.String() != m.domain {
		return &StreamError{Condition: HostUnknown}
	}
	if h.from == "" {
		return nil
	}
	from, err := jid.Parse(h.from)
	if err != nil || !m.id.IsZero() && from.Bare() != m.id {
		return &NegotiationError{Step: StepStream, Err: &StreamError{Condition: InvalidFrom}, Event: audit.SenderSpoofed}
	}
	return nil
}

// appendHeader appends our header of the current stream.
func (m *machine) appendHeader(dst []byte) []byte {
	m.headed = true
	if !m.initiator {
		m.streamID = m.newID()
		h := header{from: m.domain, id: m.streamID, lang: "en", content: m.content()}
		if m.between != nil {
			h.to = m.between.claimed
		}
		return h.append(dst)
	}
	h := header{to: m.domain, lang: "en", content: m.content()}
	switch {
	case m.between != nil:
		h.from = m.between.local
	case m.secured: // the address is nobody's business before that
		h.from = m.account.String()
	}
	return h.append(dst)
}

// element takes the next element of the stream.
func (m *machine) element(el *element) (step, error) {
	switch {
	case el.is(nsStream, "error"):
		return step{}, parseStreamError(el)
	case m.state == negotiating:
		if m.initiator {
			return m.current.answer(m, el)
		}
		return m.current.serve(m, el)
	case m.initiator:
		return m.choose(el)
	}
	for _, f := range m.features {
		if f.wanted(m) && f.starts(el) {
			m.current = f
			m.becomeNegotiating()
			return f.serve(m, el)
		}
	}
	if el.name.Space == nsManagement && m.between == nil {
		return m.managedTooEarly(el)
	}
	return m.unexpected(el)
}

// choose takes the features of the server: the first that has its place here is
// negotiated, and it is an error if it is not there.
func (m *machine) choose(features *element) (step, error) {
	if !features.is(nsStream, "features") {
		return m.unexpected(features)
	}
	for _, f := range m.features {
		if !f.wanted(m) {
			continue
		}
		m.current = f
		st, err := f.begin(m, features.child(f.name.Space, f.name.Local))
		if err != nil || m.state != choosing {
			return st, err
		}
		m.current = nil
	}
	if m.between != nil && !m.id.IsZero() {
		m.becomeReady()
		return step{}, nil
	}
	return step{}, errors.New("nothing is left to negotiate")
}

// unexpected refuses an element that has no place here.
//
// RFC 6120, Sections 4.9.3.12 and 4.9.3.24.
func (m *machine) unexpected(el *element) (step, error) {
	if !m.initiator {
		if !m.secured && el.is(nsSASL, "auth") {
			var ev *event
			if m.between != nil {
				ev = &event{audit.ServerToServerRefused, "asked to authenticate before TLS"}
			}
			return step{write: appendFailure(nil, sasl.EncryptionRequired), event: ev}, &StreamError{Condition: PolicyViolation, Text: "TLS first"}
		}
		switch el.name.Local {
		case "iq", "message", "presence":
			if el.name.Space == m.content() {
				return step{}, &StreamError{Condition: NotAuthorized, Text: "stanzas are taken once the stream is set up"}
			}
			return step{}, &StreamError{Condition: InvalidNamespace}
		}
	}
	var ev *event
	if id := trespass(el.name); id != "" {
		ev = &event{id, "received " + el.name.Local}
	}
	return step{event: ev}, &StreamError{Condition: UnsupportedStanzaType}
}

// text takes character data between elements; space says that it is white space
// only. That is a sign of life, except during STARTTLS and SASL, where nothing
// may stand between elements.
//
// RFC 6120, Sections 5.3.3, 6.3.5 and 11.7.
func (m *machine) text(space bool) error {
	if !space {
		return &StreamError{Condition: BadFormat, Text: "text between elements"}
	}
	if m.state == negotiating && m.id.IsZero() {
		return &StreamError{Condition: BadFormat, Text: "white space where none may be"}
	}
	return nil
}

// secure takes the outcome of the TLS handshake. ch is what it proves; an initiator
// has verified the server.
func (m *machine) secure(ch sasl.Channel) step {
	return m.becomeOpening(proven{secured: true, channel: ch})
}

// fail ends the negotiation and returns what the peer is told.
func (m *machine) fail(err error) []byte {
	m.state, m.current = failed, nil
	se := streamErrorFor(err)
	if m.initiator && !m.headed {
		return nil
	}
	var out []byte
	if !m.headed { // an error stands in a stream, so there must be one
		out = m.appendHeader(out)
	}
	if se != nil {
		out = se.append(out)
	}
	return append(out, closeTag...)
}

// becomeOpening starts a new stream, of which nothing is known but p.
func (m *machine) becomeOpening(p proven) step {
	m.state, m.current, m.headed = opening, nil, false
	m.learned = learned{proven: p}
	if m.between != nil {
		m.between.claimed = ""
	}
	if !m.initiator {
		return step{}
	}
	return step{write: m.appendHeader(nil)}
}

func (m *machine) becomeChoosing() { m.state, m.current = choosing, nil }

// becomeNegotiating goes on with the current feature.
func (m *machine) becomeNegotiating() { m.state = negotiating }

func (m *machine) becomeSecuring() { m.state, m.current = securing, nil }

func (m *machine) becomeBinding() { m.state = binding }

func (m *machine) becomeResuming() { m.state = resuming }

func (m *machine) becomeReady() { m.state, m.current = ready, nil }

// refused counts a refusal, and ends the stream when there were too many.
func (m *machine) refused() error {
	during := m.during()
	m.becomeChoosing()
	if m.tries++; m.tries >= maxTries {
		return &NegotiationError{Step: during, Err: &StreamError{Condition: PolicyViolation, Text: "too many tries"}}
	}
	return nil
}

// during names the step that is under way, for errors.
func (m *machine) during() NegotiationStep {
	switch {
	case m.state == securing:
		return StepTLS
	case m.current != nil:
		return m.current.during
	}
	return StepStream
}
