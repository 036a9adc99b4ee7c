package iso81

import (
	"io"

	"busbar.example/internal/asn1"
)

// state is where the upper layers stand.
//
//	            ┌─ CONNECT sent ──▶ asking ─ ACCEPT received ─┐
//	connected ──┤                                             ├─▶ established ─ FINISH sent ─────▶ releasing ─ DISCONNECT ─▶ over
//	            └─ CONNECT received ▶ asked ─ ACCEPT sent ────┘        └────── FINISH received ─▶ finishing ─ DISCONNECT sent ▶ over
//
// REFUSE leads from asking or asked to over, ABORT and a protocol error from everywhere.
type state uint8

const (
	connected state = iota
	asking
	asked
	established
	releasing
	finishing
	over
)

var stateNames = [...]string{"connected", "asking", "asked", "established", "releasing", "finishing", "over"}

func (s state) String() string { return stateNames[s] }

// machine holds the rules of session, presentation and ACSE for one association. It is not safe for concurrent use.
type machine struct {
	lenient
	called, calling Address // of the association; titles may be missing
	state           state

	session  spdu            // the peer's CONNECT, as far as the answer needs it
	results  []contextResult // of the contexts that the peer proposed
	psel     []byte          // that the peer called
	acse     int32           // presentation contexts
	mms      int32
	proposed []contextDefinition
	info     info
}

// info is what the peer's CONNECT or its answer has said, for those who trace; nil as far as it was not read.
type info struct {
	session      *SessionInfo
	presentation *PresentationInfo
	acse         *ACSEInfo
}

// step is what an input leads to.
type step struct {
	pdus    [][]byte          // of MMS; they share the memory of the input
	request *associateRequest // that the pdu came in
	send    []byte            // TSDU that answers; with ended, the last word
	finish  bool              // the peer wants to release
	ended   error             // it is over; io.EOF: in order
}

func (m *machine) becomeOver() { m.state = over }

// connect makes the CONNECT that asks for an association, with an MMS PDU in it.
//
// IEC 61850-8-1, Association.
func (m *machine) connect(auth *proof, pdu []byte) []byte {
	m.state, m.acse, m.mms = asking, acseContext, ourMMS
	m.proposed = []contextDefinition{
		{ID: m.acse, Abstract: acseSyntax, Transfer: []string{berSyntax}},
		{ID: m.mms, Abstract: mmsSyntax, Transfer: []string{berSyntax}},
	}
	aarq := &associateRequest{Context: mmsContext, UserInformation: m.userInformation(pdu),
		CalledAPTitle: titleOctets(m.called.APTitle), CalledAEQualifier: qualifierOctets(m.called.AEQualifier),
		CallingAPTitle: titleOctets(m.calling.APTitle), CallingAEQualifier: qualifierOctets(m.calling.AEQualifier)}
	if auth != nil {
		bits := requireAuthentication
		aarq.Requirements, aarq.Mechanism, aarq.Authentication = &bits, auth.mechanism, auth.value
	}
	cp := &connectPPDU{ModeSelector: modeSelector{Value: normalMode}, Normal: &connectParameters{
		Calling: m.calling.PSelector, Called: m.called.PSelector, Contexts: m.proposed, UserData: m.inACSE(aarq)}}
	cn := &spdu{kind: siConnect, version: version2, units: duplex, calling: m.calling.SSelector, called: m.called.SSelector,
		data: encode(connectType, cp)}
	return cn.append(nil)
}

func (m *machine) inACSE(a apdu) userData { return inContext(m.acse, encode(apduType, a)) }

// userInformation is an MMS PDU in its context.
func (m *machine) userInformation(pdu []byte) []external {
	if pdu == nil {
		return nil
	}
	return []external{{Indirect: &m.mms, Encoding: singleType{pdu}}}
}

// accept makes the ACCEPT that answers the peer's CONNECT, with an MMS PDU in it.
func (m *machine) accept(pdu []byte) []byte {
	m.state = established
	aare := &associateResponse{Context: mmsContext, Result: associateAccepted, Diagnostic: DiagnosticNull, UserInformation: m.userInformation(pdu)}
	cpa := &acceptPPDU{ModeSelector: modeSelector{Value: normalMode}, Normal: &acceptParameters{
		Responding: m.psel, Results: m.results, UserData: m.inACSE(aare)}}
	ac := &spdu{kind: siAccept, version: m.session.version, units: duplex, called: m.session.called,
		data: encode(acceptType, cpa)}
	return ac.append(nil)
}

// reject makes the REFUSE that answers the peer's CONNECT, with an MMS PDU in it or without.
func (m *machine) reject(why diagnostic, pdu []byte) []byte {
	aare := &associateResponse{Context: mmsContext, Result: associateRejectedPermanent, Diagnostic: why, UserInformation: m.userInformation(pdu)}
	return m.refuse(RefusedByUser, &refusePPDU{Responding: m.psel, Results: m.results, UserData: m.inACSE(aare)})
}

// refuse makes a REFUSE; cpr is nil where presentation has no say.
func (m *machine) refuse(reason RefuseReason, cpr *refusePPDU) []byte {
	m.becomeOver()
	rf := &spdu{kind: siRefuse, transport: releaseTransport, units: duplex, version: version2, reason: []byte{byte(reason)}}
	if cpr != nil {
		rf.data = encode(refuseType, cpr)
	}
	return rf.append(nil)
}

// finish makes the FINISH that asks for the release.
func (m *machine) finish() []byte {
	m.state = releasing
	normal := int32(0)
	return m.ending(siFinish, &releaseRequest{Reason: &normal})
}

// disconnect makes the DISCONNECT that answers the peer's FINISH.
func (m *machine) disconnect() []byte {
	m.becomeOver()
	normal := int32(0)
	return m.ending(siDisconnect, &releaseResponse{Reason: &normal})
}

func (m *machine) ending(kind byte, a apdu) []byte {
	s := &spdu{kind: kind, data: encode(userDataType, m.inACSE(a))}
	return s.append(nil)
}

// abort makes the ABORT by which we, or ACSE because of a protocol error, end the association.
func (m *machine) abort(source int32) []byte {
	a := &abortAPDU{Source: source}
	if source == abortByProvider {
		diagnostic := int32(abortProtocolError)
		a.Diagnostic = &diagnostic
	}
	s := &spdu{kind: siAbort, transport: releaseTransport | abortUser, data: encode(abortType, &userAbort{UserData: m.inACSE(a)})}
	m.becomeOver()
	return s.append(nil)
}

// violated ends the association because of a protocol error: the layer that found it aborts.
func (m *machine) violated(err *ProtocolError) step {
	defer m.becomeOver()
	switch err.Layer {
	case LayerACSE:
		return step{send: m.abort(abortByProvider), ended: err}
	case LayerPresentation:
		reason := AbortInvalidParameter
		if err.Err != nil {
			reason = AbortUnrecognizedPPDU
		}
		s := &spdu{kind: siAbort, transport: releaseTransport | abortUser, data: encode(abortType, &providerAbort{Reason: &reason})}
		return step{send: s.append(nil), ended: err}
	}
	s := &spdu{kind: siAbort, transport: releaseTransport | abortProtocol}
	return step{send: s.append(nil), ended: err}
}

// input takes a TSDU of the peer.
func (m *machine) input(tsdu []byte) step {
	s, err := parseSPDU(tsdu)
	if err != nil {
		return m.violated(err.(*ProtocolError))
	}
	var st step
	var fault *ProtocolError
	switch {
	case s.kind == siAbort:
		m.becomeOver()
		return step{ended: m.aborted(&s)}
	case s.kind == siConnect && m.state == connected:
		st, fault = m.inputConnect(&s)
	case s.kind == siAccept && m.state == asking:
		st, fault = m.inputAccept(&s)
	case s.kind == siRefuse && m.state == asking:
		st, fault = m.inputRefuse(&s)
	case s.kind == siData && (m.state == established || m.state == releasing):
		st.pdus, fault = m.inputData(&s)
	case s.kind == siFinish && m.state == established:
		if fault = m.inputRelease(&s, "FINISH"); fault == nil {
			m.state, st.finish = finishing, true
		}
	case s.kind == siFinish && m.state == releasing: // both at once
		st.send, st.ended = m.disconnect(), io.EOF
	case s.kind == siDisconnect && m.state == releasing:
		fault = m.inputRelease(&s, "DISCONNECT")
		m.becomeOver()
		st.ended = io.EOF
	default:
		fault = protocolError(LayerSession, "SPDU %d while %v", s.kind, m.state)
	}
	if fault != nil {
		return m.violated(fault)
	}
	return st
}

// inputData finds the MMS PDUs in data transfer.
func (m *machine) inputData(s *spdu) ([][]byte, *ProtocolError) {
	if s.enclosure != 0 && s.enclosure&3 != 3 {
		return nil, protocolError(LayerSession, "a segmented SSDU, which was not agreed on")
	}
	if s.alone && !m.dataAlone {
		return nil, protocolError(LayerSession, "DATA TRANSFER without GIVE TOKENS")
	}
	values, fault := m.values(s.data)
	if fault != nil {
		return nil, fault
	}
	var pdus [][]byte
	for _, v := range values {
		if v.context != m.mms && (!m.simpleData || !v.bare) {
			return nil, protocolError(LayerPresentation, "data in context %d, which is not that of MMS", v.context)
		}
		pdus = append(pdus, v.octets)
	}
	if len(pdus) == 0 {
		return nil, protocolError(LayerPresentation, "user data without values")
	}
	return pdus, nil
}

// valueIn is a value, or several in one PDV-list, in a presentation context.
type valueIn struct {
	context int32
	bare    bool // simply encoded
	octets  []byte
}

// values takes user data apart.
func (m *machine) values(b []byte) ([]valueIn, *ProtocolError) {
	var u userData
	if err := m.decode(LayerPresentation, "user data", b, userDataType, &u); err != nil {
		return nil, err
	}
	return valuesOf(u)
}

func valuesOf(u userData) ([]valueIn, *ProtocolError) {
	if s, simple := u.(simplyEncoded); simple {
		return []valueIn{{bare: true, octets: s}}, nil
	}
	lists, _ := u.(fullyEncoded)
	var values []valueIn
	for _, l := range lists {
		if l.Transfer != "" && l.Transfer != berSyntax {
			return nil, protocolError(LayerPresentation, "values in transfer syntax %s", l.Transfer)
		}
		b, ok := l.Values.octets()
		if !ok {
			return nil, protocolError(LayerPresentation, "values that are not whole octets")
		}
		for len(b) > 0 {
			n := firstEncoding(b)
			if n == 0 {
				return nil, protocolError(LayerPresentation, "values that are no encodings")
			}
			values = append(values, valueIn{context: l.Context, octets: b[:n]})
			b = b[n:]
		}
	}
	return values, nil
}

// inputRelease checks the user data of FINISH or DISCONNECT.
func (m *machine) inputRelease(s *spdu, what string) *ProtocolError {
	if len(s.data) == 0 {
		if !m.silentRelease {
			return protocolError(LayerACSE, "%s without a release APDU", what)
		}
		return nil
	}
	values, fault := m.values(s.data)
	if fault != nil {
		return fault
	}
	for _, v := range values {
		var a apdu
		if err := m.decode(LayerACSE, "release", v.octets, apduType, &a); err != nil {
			return err
		}
		switch a.(type) {
		case *releaseRequest:
			if s.kind == siFinish {
				return nil
			}
		case *releaseResponse:
			if s.kind == siDisconnect {
				return nil
			}
		}
	}
	return protocolError(LayerACSE, "%s without its release APDU", what)
}

// aborted says who aborted, and why, as far as ABORT tells.
func (m *machine) aborted(s *spdu) error {
	if len(s.data) == 0 {
		switch {
		case s.transport&abortProtocol != 0:
			return &AbortedError{LayerSession, "protocol error"}
		case s.transport&abortUser != 0:
			return &AbortedError{LayerSession, "user abort"}
		}
		return &AbortedError{LayerSession, "no reason"}
	}
	var p abortPPDU
	if m.decode(LayerPresentation, "abort", s.data, abortType, &p) != nil {
		return &AbortedError{LayerPresentation, "user abort that cannot be read"}
	}
	if p, provider := p.(*providerAbort); provider {
		reason := AbortReason(0)
		if p.Reason != nil {
			reason = *p.Reason
		}
		return &AbortedError{LayerPresentation, reason.String()}
	}
	values, _ := valuesOf(p.(*userAbort).UserData)
	for _, v := range values {
		var a apdu
		if m.decode(LayerACSE, "abort", v.octets, apduType, &a) != nil {
			continue
		}
		if a, abrt := a.(*abortAPDU); abrt {
			if a.Source == abortByProvider {
				return &AbortedError{LayerACSE, "by its provider"}
			}
			return &AbortedError{LayerACSE, "by its user"}
		}
	}
	return &AbortedError{LayerACSE, "no reason"}
}

func titleOctets(title string) asn1.Open {
	if title == "" {
		return nil
	}
	b, _ := asn1.AppendOID([]byte{6, 0}, title)
	b[1] = byte(len(b) - 2)
	return b
}

func qualifierOctets(n *int64) asn1.Open {
	if n == nil {
		return nil
	}
	b := asn1.Open{2, 8}
	for shift := 56; shift >= 0; shift -= 8 {
		b = append(b, byte(*n>>shift))
	}
	for b[1] > 1 && (b[2] == 0 && b[3] < 0x80 || b[2] == 0xff && b[3] >= 0x80) {
		b = append(b[:2], b[3:]...)
		b[1]--
	}
	return b
}
