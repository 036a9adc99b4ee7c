package assoc

import (
	"errors"
	"testing"

	"busbar.example/mms"
)

func ptr[T any](v T) *T { return &v }

func proposal() *mms.InitiateRequest {
	return &mms.InitiateRequest{
		LocalDetailCalling: ptr(int32(20000)), ProposedMaxServOutstandingCalling: 5, ProposedMaxServOutstandingCalled: 5,
		ProposedDataStructureNestingLevel: ptr(int8(8)),
		InitRequestDetail:                 mms.InitRequestDetail{ProposedVersionNumber: 1, ProposedParameterCBB: parameterCBB},
	}
}

func served(t *testing.T) *machine {
	t.Helper()
	cfg, err := Config{}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	return newMachine(cfg)
}

// ISO 9506-2, Initiate-ErrorPDU.
func TestProposalsThatAreRefused(t *testing.T) {
	for _, tc := range []struct {
		name string
		edit func(*mms.InitiateRequest)
		want mms.ErrorClass
	}{
		{"version 0", func(p *mms.InitiateRequest) { p.InitRequestDetail.ProposedVersionNumber = 0 }, mms.InitiateVersionIncompatible},
		{"no alternate access", func(p *mms.InitiateRequest) { p.InitRequestDetail.ProposedParameterCBB &^= mms.ParamVALT }, mms.InitiateParameterCBBInsufficient},
		{"PDU of 1 octet", func(p *mms.InitiateRequest) { *p.LocalDetailCalling = 1 }, mms.InitiateMaxSegmentInsufficient},
		{"negative PDU size", func(p *mms.InitiateRequest) { *p.LocalDetailCalling = -1 }, mms.InitiateMaxSegmentInsufficient},
		{"no calls at all", func(p *mms.InitiateRequest) { p.ProposedMaxServOutstandingCalling = 0 }, mms.InitiateMaxServicesOutstandingCallingInsufficient},
		{"negative calls of ours", func(p *mms.InitiateRequest) { p.ProposedMaxServOutstandingCalled = -1 }, mms.InitiateMaxServicesOutstandingCalledInsufficient},
		{"nesting 4", func(p *mms.InitiateRequest) { *p.ProposedDataStructureNestingLevel = 4 }, mms.InitiateNestingLevelInsufficient},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := proposal()
			tc.edit(p)
			m := served(t)
			st := m.input(p)
			sent, ok := st.send.(*mms.InitiateError)
			if !ok || sent.ErrorClass != tc.want || st.ended == nil || m.state != ended {
				t.Errorf("got %T %+v, ended %v, state %v; want %v", st.send, st.send, st.ended, m.state, tc.want)
			}
		})
	}
}

func TestAnswersThatRaiseANumberAreRefused(t *testing.T) {
	for _, tc := range []struct {
		name string
		edit func(*mms.InitiateResponse)
	}{
		{"PDU size", func(p *mms.InitiateResponse) { *p.LocalDetailCalled = defaultMaxPDU + 1 }},
		{"PDU size below the least", func(p *mms.InitiateResponse) { *p.LocalDetailCalled = MinPDU - 1 }},
		{"our calls", func(p *mms.InitiateResponse) { p.NegotiatedMaxServOutstandingCalling = defaultOutstanding + 1 }},
		{"no call of ours", func(p *mms.InitiateResponse) { p.NegotiatedMaxServOutstandingCalling = 0 }},
		{"their calls", func(p *mms.InitiateResponse) { p.NegotiatedMaxServOutstandingCalled = defaultOutstanding + 1 }},
		{"nesting", func(p *mms.InitiateResponse) { *p.NegotiatedDataStructureNestingLevel = defaultNesting + 1 }},
		{"version", func(p *mms.InitiateResponse) { p.InitResponseDetail.NegotiatedVersionNumber = 2 }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := served(t)
			m.initiate()
			agreed := Parameters{MaxPDU: defaultMaxPDU, Ours: 2, Theirs: 2, Nesting: defaultNesting}
			p := m.cfg.response(agreed)
			tc.edit(p)
			st := m.input(p)
			var broken *ProtocolError
			if !errors.As(st.ended, &broken) || m.state != ended {
				t.Errorf("got %v in state %v, want a protocol error", st.ended, m.state)
			}
		})
	}
}

// What a peer sends out of turn ends the association, whatever the state.
func TestPDUsOutOfTurn(t *testing.T) {
	all := map[string]mms.PDU{
		"initiate request":  proposal(),
		"initiate response": (Config{}).response(Parameters{MaxPDU: MinPDU, Ours: 1, Theirs: 1, Nesting: 5}),
		"initiate error":    &mms.InitiateError{ServiceError: mms.ServiceError{ErrorClass: mms.InitiateOther}},
		"request":           &mms.ConfirmedRequest{InvokeID: 1, Service: &mms.ReadRequest{}},
		"response":          &mms.ConfirmedResponse{InvokeID: 99, Service: &mms.ReadResponse{}},
		"error":             &mms.ConfirmedError{InvokeID: 99, ServiceError: mms.ServiceError{ErrorClass: mms.OthersOther}},
		"report":            &mms.Unconfirmed{Service: &mms.InformationReport{}},
		"reject":            &mms.Reject{RejectReason: mms.PDUErrorInvalidPDU},
		"cancel request":    &mms.CancelRequest{OriginalInvokeID: 99},
		"cancel response":   &mms.CancelResponse{OriginalInvokeID: 99},
		"cancel error":      &mms.CancelError{OriginalInvokeID: 99, ServiceError: mms.ServiceError{ErrorClass: mms.CancelOther}},
		"conclude request":  &mms.ConcludeRequest{},
		"conclude response": &mms.ConcludeResponse{},
		"conclude error":    &mms.ConcludeError{ServiceError: mms.ServiceError{ErrorClass: mms.ConcludeOther}},
	}
	allowed := map[state]map[string]bool{
		idle:        {"initiate request": true},
		initiating:  {"initiate response": true, "initiate error": true},
		established: {"request": true, "report": true, "cancel request": true, "conclude request": true},
		concluding:  {"request": true, "report": true, "cancel request": true, "conclude response": true, "conclude error": true},
	}
	for s, good := range allowed {
		for name, pdu := range all {
			t.Run(s.String()+"/"+name, func(t *testing.T) {
				m := served(t)
				switch s {
				case initiating:
					m.initiate()
				case established, concluding:
					m.input(proposal())
					if s == concluding {
						if _, err := m.conclude(); err != nil {
							t.Fatal(err)
						}
					}
				}
				st := m.input(pdu)
				var broken *ProtocolError
				fault := errors.As(st.ended, &broken)
				if name == "reject" {
					var reject *RejectError
					fault = errors.As(st.ended, &reject)
				}
				if fault == good[name] {
					t.Errorf("ended with %v; allowed here: %t", st.ended, good[name])
				}
			})
		}
	}
}

func TestResponseOfAnotherServiceEndsTheAssociation(t *testing.T) {
	m := served(t)
	m.input(proposal())
	req, err := m.call(&mms.ReadRequest{}, &call{})
	if err != nil {
		t.Fatal(err)
	}
	st := m.input(&mms.ConfirmedResponse{InvokeID: req.InvokeID, Service: &mms.WriteResponse{}})
	var broken *ProtocolError
	if !errors.As(st.ended, &broken) || st.answer != nil {
		t.Errorf("a write response to a read: %+v", st)
	}
}

// ISO 9506-2, RejectPDU, confirmed-requestPDU.
func TestRequestsBeyondTheAgreedNumberAreRejected(t *testing.T) {
	m := served(t)
	m.input(proposal())
	for id := range uint32(5) {
		if st := m.input(&mms.ConfirmedRequest{InvokeID: id, Service: &mms.ReadRequest{}}); st.request == nil {
			t.Fatalf("request %d: %+v", id, st)
		}
	}
	for name, tc := range map[string]struct {
		id   uint32
		want mms.RejectReason
	}{
		"one too many":   {7, mms.RejectMaxServOutstandingExceeded},
		"used invoke id": {3, mms.RejectInvalidInvokeID},
	} {
		st := m.input(&mms.ConfirmedRequest{InvokeID: tc.id, Service: &mms.ReadRequest{}})
		reject, ok := st.send.(*mms.Reject)
		if !ok || st.request != nil || *reject.OriginalInvokeID != tc.id || reject.RejectReason != tc.want {
			t.Errorf("%s: got %+v, want reject %v", name, st, tc.want)
		}
	}
	if !m.respond(3) {
		t.Error("an open request has no answer")
	}
	if m.respond(3) {
		t.Error("a request is answered twice")
	}
	if st := m.input(&mms.ConfirmedRequest{InvokeID: 3, Service: &mms.ReadRequest{}}); st.request == nil {
		t.Errorf("the answered request still counts: %+v", st)
	}
}

func TestInvokeIDsOfOpenCallsAreNotUsedAgain(t *testing.T) {
	m := served(t)
	m.input(proposal())
	first, _ := m.call(&mms.ReadRequest{}, &call{})
	m.invoke = first.InvokeID - 1 // as after 2³² calls
	second, _ := m.call(&mms.ReadRequest{}, &call{})
	if first.InvokeID == second.InvokeID {
		t.Errorf("two open calls have invokeID %d", first.InvokeID)
	}
}

func TestConfigsThatMakeNoSense(t *testing.T) {
	for _, c := range []Config{{MaxPDU: MinPDU - 1}, {Outstanding: -1}, {Outstanding: maxOutstanding + 1}, {Nesting: 4}} {
		if _, err := c.withDefaults(); err == nil {
			t.Errorf("%+v is accepted", c)
		}
	}
}
