package iso81

import (
	"bytes"
)

// refused makes the step that refuses the peer's CONNECT, with what is sent.
func refused(send []byte, layer Layer, code int, reason string) step {
	return step{send: send, ended: &RefusedError{Layer: layer, Code: code, Reason: reason}}
}

func (m *machine) refusedBySession(reason RefuseReason) step {
	return refused(m.refuse(reason, nil), LayerSession, int(reason), reason.String())
}

func (m *machine) refusedByPresentation(reason ProviderReason) step {
	cpr := &refusePPDU{Responding: m.psel, Results: m.results, Reason: &reason}
	return refused(m.refuse(RefusedByUser, cpr), LayerPresentation, int(reason), reason.String())
}

func (m *machine) refusedByACSE(why diagnostic) step {
	return refused(m.reject(why, nil), LayerACSE, why.diagnostic(), why.String())
}

// inputConnect takes the peer's CONNECT. It is answered by accept or reject, where the step does not refuse it.
func (m *machine) inputConnect(s *spdu) (step, *ProtocolError) {
	m.state = asked
	m.info.session = sessionInfo(s)
	m.session = spdu{called: bytes.Clone(s.called), version: version2}
	switch {
	case s.version&version2 == 0 && s.version&version1 == 0:
		return m.refusedBySession(RefuseVersion), nil
	case s.version&version2 == 0:
		m.session.version = version1
	}
	switch {
	case s.overflow || s.units&duplex == 0:
		return m.refusedBySession(RefuseRestriction), nil
	case differs(m.called.SSelector, s.called):
		return m.refusedBySession(RefuseSelectorUnknown), nil
	}
	var cp connectPPDU
	if err := m.decode(LayerPresentation, "CP", s.data, connectType, &cp); err != nil {
		return step{}, err
	}
	p := cp.Normal
	if cp.ModeSelector.Value != normalMode || p == nil {
		return m.refusedByPresentation(0), nil
	}
	m.psel = p.Called
	results, acse, mms := judge(p.Contexts)
	m.results = results
	m.info.presentation = presentationInfo(p.Contexts, results, p.Called)
	if mms != nil {
		m.mms = *mms
	}
	switch {
	case p.Version != nil && *p.Version&version1 == 0:
		return m.refusedByPresentation(ProviderVersion), nil
	case differs(m.called.PSelector, p.Called):
		return m.refusedByPresentation(ProviderAddressUnknown), nil
	case p.Default != nil && p.Default.Abstract != mmsSyntax && p.Default.Abstract != acseSyntax:
		return m.refusedByPresentation(ProviderDefaultContext), nil
	case acse == nil:
		return m.refusedByPresentation(ProviderUserDataUnreadable), nil
	}
	m.acse = *acse
	value, fault := m.acseValue(p.UserData)
	if fault != nil || value == nil {
		return m.refusedByPresentation(ProviderUserDataUnreadable), nil
	}
	var a apdu
	if err := m.decode(LayerACSE, "AARQ", value, apduType, &a); err != nil {
		return step{}, err
	}
	aarq, ok := a.(*associateRequest)
	if !ok {
		return step{}, protocolError(LayerACSE, "another APDU than AARQ in CONNECT")
	}
	m.info.acse = &ACSEInfo{ApplicationContext: aarq.Context, Mechanism: aarq.Mechanism,
		CallingAPTitle: titleText(aarq.CallingAPTitle), CallingAEQualifier: qualifierText(aarq.CallingAEQualifier),
		CalledAPTitle: titleText(aarq.CalledAPTitle), CalledAEQualifier: qualifierText(aarq.CalledAEQualifier)}
	return m.inputAARQ(aarq, mms != nil), nil
}

func sessionInfo(s *spdu) *SessionInfo {
	i := &SessionInfo{Version: 1, Units: s.units, Calling: bytes.Clone(s.calling), Called: bytes.Clone(s.called)}
	if s.version&version2 != 0 {
		i.Version = 2
	}
	return i
}

func presentationInfo(contexts []contextDefinition, results []contextResult, called []byte) *PresentationInfo {
	i := &PresentationInfo{Called: called}
	for n, c := range contexts {
		i.Contexts = append(i.Contexts, Context{ID: int(c.ID), Abstract: c.Abstract, Accepted: n < len(results) && results[n].Result == contextAccepted})
	}
	return i
}

// differs reports whether a peer calls another selector than ours. Who calls none, or where ours does not matter, is right.
func differs(ours, called []byte) bool {
	return ours != nil && called != nil && !bytes.Equal(ours, called)
}

func (m *machine) inputAARQ(aarq *associateRequest, mms bool) step {
	pdu := m.userPDU(aarq.UserInformation)
	switch {
	case aarq.Version != nil && *aarq.Version&version1 == 0:
		return m.refusedByACSE(diagnosticNoCommonVersion)
	case !m.anyContext && aarq.Context != mmsContext:
		return m.refusedByACSE(DiagnosticApplicationContext)
	case differs(titleOctets(m.called.APTitle), aarq.CalledAPTitle):
		return m.refusedByACSE(DiagnosticCalledAPTitle)
	case differs(qualifierOctets(m.called.AEQualifier), aarq.CalledAEQualifier):
		return m.refusedByACSE(DiagnosticCalledAEQualifier)
	case !mms || pdu == nil:
		return m.refusedByACSE(DiagnosticNoReason)
	}
	return step{request: aarq, pdus: [][]byte{pdu}}
}

// acseValue is the APDU in user data; nil where there is none.
func (m *machine) acseValue(u userData) ([]byte, *ProtocolError) {
	values, fault := valuesOf(u)
	if fault != nil {
		return nil, fault
	}
	for _, v := range values {
		if v.context == m.acse || v.bare && m.simpleData {
			return v.octets, nil
		}
	}
	return nil, nil
}

// userPDU is the MMS PDU in the user information of ACSE; nil where there is none.
func (m *machine) userPDU(information []external) []byte {
	for _, e := range information {
		b, ok := e.Encoding.octets()
		if ok && (e.Indirect == nil || *e.Indirect == m.mms || m.anyIndirect && len(information) == 1) {
			return b
		}
	}
	return nil
}

// inputAccept takes the peer's ACCEPT.
func (m *machine) inputAccept(s *spdu) (step, *ProtocolError) {
	m.info.session = sessionInfo(s)
	if s.units&duplex == 0 || s.version&(version1|version2) == 0 {
		return step{}, protocolError(LayerSession, "ACCEPT with functional units %#04x, versions %#02x", s.units, s.version)
	}
	var cpa acceptPPDU
	if err := m.decode(LayerPresentation, "CPA", s.data, acceptType, &cpa); err != nil {
		return step{}, err
	}
	p := cpa.Normal
	if cpa.ModeSelector.Value != normalMode || p == nil {
		return step{}, protocolError(LayerPresentation, "CPA in mode %d", cpa.ModeSelector.Value)
	}
	m.info.presentation = presentationInfo(m.proposed, p.Results, p.Responding)
	if refused, fault := m.checkResults(p.Results); fault != nil {
		return step{}, fault
	} else if refused != nil {
		return step{send: m.abort(abortByUser), ended: refused}, nil
	}
	value, fault := m.acseValue(p.UserData)
	if fault != nil {
		return step{}, fault
	}
	st, fault := m.inputAARE(value)
	if fault == nil && st.ended == nil {
		m.state = established
	}
	return st, fault
}

// checkResults holds the results of CPA against what was proposed. refused means that the peer does not take a context.
func (m *machine) checkResults(results []contextResult) (refused *RefusedError, fault *ProtocolError) {
	if len(results) > len(m.proposed) || len(results) < len(m.proposed) && !m.fewResults {
		return nil, protocolError(LayerPresentation, "%d results for %d contexts", len(results), len(m.proposed))
	}
	for i, r := range results {
		if r.Result != contextAccepted {
			reason := 0
			if r.Reason != nil {
				reason = int(*r.Reason)
			}
			return &RefusedError{Layer: LayerPresentation, Code: reason, Reason: "context " + m.proposed[i].Abstract + " is not taken", Remote: true}, nil
		}
		if r.Transfer != "" && r.Transfer != berSyntax {
			return nil, protocolError(LayerPresentation, "transfer syntax %s, which was not proposed", r.Transfer)
		}
	}
	return nil, nil
}

// inputAARE takes the answer of ACSE. With a refusal an MMS PDU may come, which says more.
func (m *machine) inputAARE(value []byte) (step, *ProtocolError) {
	if value == nil {
		return step{}, protocolError(LayerACSE, "no AARE where one is due")
	}
	var a apdu
	if err := m.decode(LayerACSE, "AARE", value, apduType, &a); err != nil {
		return step{}, err
	}
	aare, ok := a.(*associateResponse)
	if !ok {
		return step{}, protocolError(LayerACSE, "another APDU than AARE in the answer")
	}
	m.info.acse = &ACSEInfo{ApplicationContext: aare.Context, Mechanism: aare.Mechanism, Result: "accepted",
		CalledAPTitle: titleText(aare.APTitle), CalledAEQualifier: qualifierText(aare.AEQualifier)}
	var st step
	if pdu := m.userPDU(aare.UserInformation); pdu != nil {
		st.pdus = [][]byte{pdu}
	}
	switch {
	case aare.Result != associateAccepted:
		m.becomeOver()
		m.info.acse.Result = aare.Diagnostic.String()
		st.ended = &RefusedError{Layer: LayerACSE, Code: aare.Diagnostic.diagnostic(), Reason: aare.Diagnostic.String(), Remote: true}
	case st.pdus == nil:
		return step{}, protocolError(LayerACSE, "AARE without an answer of MMS")
	case !m.anyContext && aare.Context != mmsContext:
		return step{}, protocolError(LayerACSE, "AARE with application context %s", aare.Context)
	}
	return st, nil
}

// inputRefuse takes the peer's REFUSE: the highest layer that says why counts.
func (m *machine) inputRefuse(s *spdu) (step, *ProtocolError) {
	m.becomeOver()
	reason, data := RefuseReason(0), s.data
	if len(s.reason) > 0 {
		reason = RefuseReason(s.reason[0])
		if len(s.reason) > 1 {
			data = s.reason[1:]
		}
	}
	bySession := step{ended: &RefusedError{Layer: LayerSession, Code: int(reason), Reason: reason.String(), Remote: true}}
	if len(data) == 0 {
		return bySession, nil
	}
	var cpr refusePPDU
	if m.decode(LayerPresentation, "CPR", data, refuseType, &cpr) != nil {
		return bySession, nil
	}
	if cpr.Reason != nil {
		return step{ended: &RefusedError{Layer: LayerPresentation, Code: int(*cpr.Reason), Reason: cpr.Reason.String(), Remote: true}}, nil
	}
	value, _ := m.acseValue(cpr.UserData)
	if st, fault := m.inputAARE(value); fault == nil && st.ended != nil {
		return st, nil
	}
	return bySession, nil
}

// firstEncoding is the number of octets of the encoding at the head of b, 0 where there is none. What has an indefinite length
// is taken to be the last.
func firstEncoding(b []byte) int {
	i := 1
	if len(b) > 0 && b[0]&0x1f == 0x1f {
		for i < len(b) && b[i] >= 0x80 {
			i++
		}
		i++
	}
	if i >= len(b) {
		return 0
	}
	n, i := int(b[i]), i+1
	if n == 0x80 {
		return len(b)
	}
	if n > 0x80 {
		size := n & 0x7f
		if size > 4 || size > len(b)-i {
			return 0
		}
		n = 0
		for _, o := range b[i : i+size] {
			n = n<<8 | int(o)
		}
		i += size
	}
	if n > len(b)-i {
		return 0
	}
	return i + n
}
