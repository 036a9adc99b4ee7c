package trace

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"busbar.example/app/site"
	"busbar.example/mms"
	"busbar.example/scsm/mmsmap"
	"busbar.example/scsm/xmpp82"
	"busbar.example/secure/pki"
	"busbar.example/xmpp"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
)

func (t *Tracer) connecting(address string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.began = time.Now()
	t.last, t.clear = t.began, false
	t.tell(&event{Event: connectingEvent, Address: address, Time: t.began.UTC().Format(time.RFC3339Nano)})
}

func (t *Tracer) connected(local, remote net.Addr) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sum.TCP = t.step()
	t.tell(&event{Event: connectedEvent, Local: local.String(), Remote: remote.String(), Took: t.sum.TCP})
}

func (t *Tracer) opened(from, id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.clear = true
	t.tell(&event{Event: streamEvent, From: from, ID: id})
}

func (t *Tracer) features(names []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.offers = &event{Event: featuresEvent, Features: names}
	if !slices.Contains(names, "mechanisms") {
		t.tell(t.takeOffers())
	}
}

func (t *Tracer) mechanisms(names []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.offers != nil {
		t.offers.Mechanisms = names
		t.tell(t.takeOffers())
	}
}

func (t *Tracer) takeOffers() *event {
	offers := t.offers
	t.offers = nil
	return offers
}

func (t *Tracer) tlsUp(info xmpp.Info) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sum.TLS = t.step()
	e := &event{Event: tlsEvent, Took: t.sum.TLS, TLS: handshake(info.TLS)}
	e.TLS.Direct = !t.clear
	if info.Local != nil {
		e.TLS.Client = describe(info.Local)
	}
	t.tell(e)
}

// insecure shows as much of the TLS handshake as there was. Why it failed follows.
func (t *Tracer) insecure(state tls.ConnectionState, _ error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := &event{Event: tlsEvent, TLS: handshake(state), Error: &failure{Step: string(xmpp.StepTLS)}}
	e.TLS.Direct = !t.clear
	t.tell(e)
}

func handshake(state tls.ConnectionState) *secured {
	s := &secured{}
	if state.Version != 0 {
		s.Version = tls.VersionName(state.Version)
	}
	if state.CipherSuite != 0 {
		s.Suite = tls.CipherSuiteName(state.CipherSuite)
	}
	if len(state.PeerCertificates) > 0 {
		s.Server = describe(state.PeerCertificates[0])
	}
	return s
}

func (t *Tracer) authenticated(account jid.JID, info xmpp.Info) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sum.SASL = t.step()
	t.tell(&event{Event: saslEvent, Mechanism: info.Mechanism, Binding: info.ChannelBinding, JID: account.String(), Took: t.sum.SASL})
}

func (t *Tracer) bound(full jid.JID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sum.Bind = t.step()
	t.tell(&event{Event: boundEvent, JID: full.String(), Took: t.sum.Bind})
}

func (t *Tracer) negotiationFailed(err *xmpp.NegotiationError) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fail(string(err.Step), err)
}

func (t *Tracer) streamEnded(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := &event{Event: closedEvent}
	if !errors.Is(err, xmpp.ErrClosed) {
		e.Error = &failure{Text: err.Error()}
	}
	t.tell(e)
}

func (t *Tracer) octets(out bool, n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if out {
		t.sum.Sent.TCP += n
	} else {
		t.sum.Recv.TCP += n
	}
}

// stanzaSent tells of what is not for an association, which is told of with what is in it.
func (t *Tracer) stanzaSent(st stanza.Stanza) {
	if holdsAssociation(st) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	octets := st.Append(nil)
	t.tellStanza(sent, st, len(octets), octets)
}

// An arrival is a stanza for an association that has come and has not been read yet.
type arrival struct {
	from jid.JID
	kind stanza.Kind
	typ  stanza.Type
	id   string
}

// came is what is known of it until then.
type came struct {
	octets int
	xml    []byte
}

// What bounds the stanzas that came and are not read, since nobody may ever read them.
const (
	maxArrived    = 1 << 12
	maxArrivedXML = 16 << 20 // octets
)

func (t *Tracer) stanzaReceived(st stanza.Stanza, octets int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !holdsAssociation(st) {
		t.tellStanza(received, st, octets, nil)
		return
	}
	c := came{octets: octets}
	if t.raw {
		c.xml = st.Append(nil)
	}
	if t.waiting >= maxArrived || t.held+len(c.xml) > maxArrivedXML {
		clear(t.arrived)
		t.waiting, t.held = 0, 0
	}
	t.waiting++
	t.held += len(c.xml)
	key := arrival{st.From, st.Kind, st.Type, st.ID}
	t.arrived[key] = append(t.arrived[key], c)
}

// takeArrived finds the stanza that is being read. t.mu is held.
func (t *Tracer) takeArrived(st stanza.Stanza) came {
	key := arrival{st.From, st.Kind, st.Type, st.ID}
	waiting := t.arrived[key]
	if len(waiting) == 0 {
		return came{}
	}
	if len(waiting) == 1 {
		delete(t.arrived, key)
	} else {
		t.arrived[key] = waiting[1:]
	}
	t.waiting--
	t.held -= len(waiting[0].xml)
	return waiting[0]
}

func holdsAssociation(st stanza.Stanza) bool {
	if st.Type == stanza.TypeError {
		return false
	}
	_, local, ok := st.Child()
	return ok && local == "association"
}

// tellStanza tells of a stanza. t.mu is held.
func (t *Tracer) tellStanza(direction string, st stanza.Stanza, octets int, xml []byte) {
	e := &event{Event: stanzaEvent, Direction: direction, Stanza: factOf(st, octets)}
	if t.raw {
		if xml == nil {
			xml = st.Append(nil)
		}
		e.XML = string(xml)
	}
	t.tell(e)
}

func factOf(st stanza.Stanza, octets int) *stanzaFact {
	f := &stanzaFact{Kind: st.Kind.String(), Type: string(st.Type), ID: st.ID, From: st.From.String(), To: st.To.String(), Octets: octets}
	if st.Type == stanza.TypeError {
		if e, err := stanza.ParseError(st.Payload); err == nil {
			f.About = strings.TrimSuffix(string(e.Condition)+": "+e.Text, ": ")
		}
		return f
	}
	switch space, local, ok := st.Child(); {
	case !ok:
	case space == "jabber:iq:roster":
		f.About = "roster"
	case holdsAssociation(st):
	default:
		f.About = local
	}
	return f
}

// A call is a request that waits for its answer.
type call struct {
	association string
	sent        bool
	invokeID    uint32
}

// asked is what is known of it.
type asked struct {
	meaning mmsmap.Meaning
	at      time.Time
}

// maxCalls bounds what waits for answers that may never come.
const maxCalls = 1 << 12

func (t *Tracer) carried(c xmpp82.Carried) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := &event{Event: pduEvent, Direction: received, AssoID: c.ID, SecPDU: c.Element}
	sums, size := &t.sum.Recv, 0
	if c.Sent {
		e.Direction, sums = sent, &t.sum.Sent
		octets := c.Stanza.Append(nil)
		size = len(octets)
		if t.raw {
			e.XML = string(octets)
		}
	} else {
		came := t.takeArrived(c.Stanza)
		size, e.XML = came.octets, string(came.xml)
	}
	e.Stanza = factOf(c.Stanza, size)
	e.Octets = &octets{MMS: len(c.XER), SecPDU: c.Octets, Stanza: size}
	if c.PDU != nil {
		e.PDU = t.meaning(e, c.ID, c.Sent, c.PDU, elementName(c.XER))
		if t.raw {
			e.PDUXML = string(c.XER)
		}
		if e.PDU.Name == c.Element { // it is not protected
			e.SecPDU, e.Octets.SecPDU = "", 0
		}
		if e.PDU.Failed {
			t.sum.Refused++
		}
		t.sum.PDUs++
		sums.PDUs++
	}
	sums.MMS += e.Octets.MMS
	sums.SecPDU += e.Octets.SecPDU
	sums.Stanza += size
	if c.Err != nil {
		e.Error = &failure{Text: c.Err.Error()}
	}
	t.tell(e)
}

// meaning says what a PDU means, and finds the call that it answers. t.mu is held.
func (t *Tracer) meaning(e *event, association string, out bool, pdu mms.PDU, name string) *pduFact {
	m := mmsmap.Describe(pdu)
	f := &pduFact{Name: name}
	switch p := pdu.(type) {
	case *mms.ConfirmedRequest:
		f.InvokeID = &p.InvokeID
	case *mms.ConfirmedResponse:
		f.InvokeID = &p.InvokeID
	case *mms.ConfirmedError:
		f.InvokeID = &p.InvokeID
	case *mms.Reject:
		f.InvokeID = p.OriginalInvokeID
	}
	key := call{association: association, sent: out}
	if f.InvokeID != nil {
		key.invokeID = *f.InvokeID
	}
	switch pdu.(type) {
	case *mms.InitiateRequest:
		t.call(call{association: "", sent: out}, m)
	case *mms.InitiateResponse, *mms.InitiateError:
		t.answered(e, call{association: "", sent: !out}, &m)
		t.sum.Associate = e.Took
	case *mms.ConfirmedRequest, *mms.ConcludeRequest:
		t.call(key, m)
	default:
		key.sent = !out
		if confirmed := t.answered(e, key, &m); confirmed && t.sum.First == 0 && f.InvokeID != nil {
			t.sum.First = e.Took
		}
	}
	f.Service, f.Objects, f.Values, f.Outcome, f.Failed = m.Service, m.Objects, m.Values, m.Outcome, m.Failed
	f.text = m.String()
	return f
}

func (t *Tracer) call(key call, m mmsmap.Meaning) {
	if len(t.calls) >= maxCalls {
		clear(t.calls)
	}
	t.calls[key] = asked{meaning: m, at: time.Now()}
}

// answered completes the meaning of an answer by what was asked, and says whether that is known.
func (t *Tracer) answered(e *event, key call, m *mmsmap.Meaning) bool {
	request, known := t.calls[key]
	if !known {
		return false
	}
	delete(t.calls, key)
	e.Took = millis(time.Since(request.at))
	if m.Service != "Reject" {
		*m = m.AnswerTo(request.meaning)
	}
	return true
}

// elementName is the name of the element that octets begin with, which for a PDU is that of ISO 9506-2.
func elementName(xml []byte) string {
	_, tag, _ := bytes.Cut(xml, []byte("<"))
	if i := bytes.IndexAny(tag, " \t\r\n/>"); i >= 0 {
		tag = tag[:i]
	}
	return string(tag[bytes.IndexByte(tag, ':')+1:])
}

func (t *Tracer) established(e xmpp82.Established) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tell(&event{Event: establishedEvent, AssoID: e.ID, E2E: certified(&e)})
}

func (t *Tracer) associationEnded(peer jid.JID, id string, cause error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := &event{Event: endedEvent, AssoID: id, Peer: peer.String()}
	if cause != io.EOF {
		t.ended = cause.Error()
		e.Error = &failure{Text: t.ended, Hint: site.HintFor(cause)}
	}
	t.tell(e)
}

func certified(e *xmpp82.Established) *endToEnd {
	if !e.Protected {
		roles := make([]string, len(e.Peer.Grants))
		for i, g := range e.Peer.Grants {
			roles[i] = g.Role.String()
		}
		return &endToEnd{roles: roles}
	}
	info := e.E2E
	return &endToEnd{Protected: true, Mode: info.Mode.String(), Algorithm: info.Protection, Signature: info.Signature, Group: info.Group,
		Server: describe(info.Peer), Client: describe(info.Local), KeyLife: info.KeyLife.String(), Ends: info.Ends.UTC().Format(time.RFC3339), until: info.Ends}
}

// describe says whose a certificate is.
func describe(c *x509.Certificate) *certificate {
	d := &certificate{Name: pki.Name(c), Issuer: c.Issuer.CommonName, NotAfter: c.NotAfter.UTC().Format(time.RFC3339), until: c.NotAfter}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
	if all, err := pki.Describe(text, time.Now()); err == nil && len(all) == 1 {
		if all[0].DaysLeft != nil {
			d.DaysLeft = *all[0].DaysLeft
		}
		for _, r := range all[0].Roles {
			d.Roles = append(d.Roles, r.Role)
		}
	}
	return d
}
