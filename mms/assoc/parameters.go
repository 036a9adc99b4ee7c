package assoc

import (
	"context"
	"fmt"

	"busbar.example/mms"
)

// Handler answers one confirmed request of the peer.
type Handler func(ctx context.Context, request mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error)

// Config says what this side offers and who serves the peer's requests. The zero Config offers the
// defaults below and serves nothing. It is copied on entry.
type Config struct {
	MaxPDU      int // largest PDU that we take, in octets; default 65000, at least MinPDU
	Outstanding int // calls open at once in each direction; default 16, at most 32767
	Nesting     int // levels of nested data that we take; default 10, at least 5

	Services mms.ServiceSupportOptions // what Handler serves, announced to the peer

	// Handler is called for one request at a time, in order of arrival, on a goroutine of the
	// association's own; its context ends with the association. While it waits in Call, with that context,
	// for the peer to answer, the next request is handled: a place among the calls is kept for it. An error that is a *ServiceError, or wraps
	// ErrUnrecognizedService, is told to the peer; of any other the peer hears only that the service
	// could not be done, and Fault is called with it.
	Handler Handler

	// Fault hears of faults that the peer is not told of; nil drops them.
	Fault func(error)
}

// MinPDU is the least PDU size, in octets, that both ends must take. IEC 61850-8-1, Initiate.
const MinPDU = 8192

const (
	defaultMaxPDU      = 65000
	defaultOutstanding = 16
	maxOutstanding     = 32767
	defaultNesting     = 10
	minNesting         = 5
	version            = 1
)

// parameterCBB is what the services that we speak need. IEC 61850-8-1, Table "Conformance building blocks".
const parameterCBB = mms.ParamSTR1 | mms.ParamSTR2 | mms.ParamVNAM | mms.ParamVALT | mms.ParamVLIS

// Parameters is what both ends agreed on.
//
// ISO 9506-2, Initiate.
type Parameters struct {
	MaxPDU   int                       // octets of a PDU, in either direction
	Ours     int                       // calls that we may have open at once
	Theirs   int                       // calls that the peer may have open at once
	Nesting  int                       // levels of nested data
	Services mms.ServiceSupportOptions // what the peer serves
}

func (c Config) withDefaults() (Config, error) {
	for _, f := range []struct {
		name          string
		v             *int
		preset, least int
		most          int
	}{
		{"MaxPDU", &c.MaxPDU, defaultMaxPDU, MinPDU, 1 << 30},
		{"Outstanding", &c.Outstanding, defaultOutstanding, 1, maxOutstanding},
		{"Nesting", &c.Nesting, defaultNesting, minNesting, 127},
	} {
		if *f.v == 0 {
			*f.v = f.preset
		}
		if *f.v < f.least || *f.v > f.most {
			return c, fmt.Errorf("association: %s is %d, outside %d to %d", f.name, *f.v, f.least, f.most)
		}
	}
	if c.Fault == nil {
		c.Fault = func(error) {}
	}
	return c, nil
}

// request is what we propose as the side that asks.
func (c Config) request() *mms.InitiateRequest {
	detail, nesting := int32(c.MaxPDU), int8(c.Nesting)
	return &mms.InitiateRequest{
		LocalDetailCalling:                &detail,
		ProposedMaxServOutstandingCalling: int16(c.Outstanding),
		ProposedMaxServOutstandingCalled:  int16(c.Outstanding),
		ProposedDataStructureNestingLevel: &nesting,
		InitRequestDetail: mms.InitRequestDetail{
			ProposedVersionNumber:    version,
			ProposedParameterCBB:     parameterCBB,
			ServicesSupportedCalling: c.Services,
		},
	}
}

// agree settles a proposal of the peer: each number is the smaller of both ends'.
func (c Config) agree(p *mms.InitiateRequest) (Parameters, *InitiateError) {
	d := p.InitRequestDetail
	if d.ProposedVersionNumber < version {
		return Parameters{}, &InitiateError{Class: mms.InitiateVersionIncompatible}
	}
	if d.ProposedParameterCBB&parameterCBB != parameterCBB {
		return Parameters{}, &InitiateError{Class: mms.InitiateParameterCBBInsufficient}
	}
	agreed := Parameters{
		MaxPDU:   c.MaxPDU,
		Ours:     min(c.Outstanding, int(p.ProposedMaxServOutstandingCalled)),
		Theirs:   min(c.Outstanding, int(p.ProposedMaxServOutstandingCalling)),
		Nesting:  c.Nesting,
		Services: d.ServicesSupportedCalling,
	}
	if p.LocalDetailCalling != nil {
		agreed.MaxPDU = min(agreed.MaxPDU, int(*p.LocalDetailCalling))
	}
	if p.ProposedDataStructureNestingLevel != nil {
		agreed.Nesting = min(agreed.Nesting, int(*p.ProposedDataStructureNestingLevel))
	}
	switch {
	case agreed.MaxPDU < MinPDU:
		return Parameters{}, &InitiateError{Class: mms.InitiateMaxSegmentInsufficient}
	case agreed.Theirs < 1:
		return Parameters{}, &InitiateError{Class: mms.InitiateMaxServicesOutstandingCallingInsufficient}
	case agreed.Ours < 0:
		return Parameters{}, &InitiateError{Class: mms.InitiateMaxServicesOutstandingCalledInsufficient}
	case agreed.Nesting < minNesting:
		return Parameters{}, &InitiateError{Class: mms.InitiateNestingLevelInsufficient}
	}
	return agreed, nil
}

// response tells the peer what has been agreed.
func (c Config) response(agreed Parameters) *mms.InitiateResponse {
	detail, nesting := int32(agreed.MaxPDU), int8(agreed.Nesting)
	return &mms.InitiateResponse{
		LocalDetailCalled:                   &detail,
		NegotiatedMaxServOutstandingCalling: int16(agreed.Theirs),
		NegotiatedMaxServOutstandingCalled:  int16(agreed.Ours),
		NegotiatedDataStructureNestingLevel: &nesting,
		InitResponseDetail: mms.InitResponseDetail{
			NegotiatedVersionNumber: version,
			NegotiatedParameterCBB:  parameterCBB,
			ServicesSupportedCalled: c.Services,
		},
	}
}

// accept holds the peer's answer against what we proposed: it may lower a number and not raise it.
func (c Config) accept(p *mms.InitiateResponse) (Parameters, error) {
	d := p.InitResponseDetail
	agreed := Parameters{
		MaxPDU:   c.MaxPDU,
		Ours:     int(p.NegotiatedMaxServOutstandingCalling),
		Theirs:   int(p.NegotiatedMaxServOutstandingCalled),
		Nesting:  c.Nesting,
		Services: d.ServicesSupportedCalled,
	}
	if p.LocalDetailCalled != nil {
		agreed.MaxPDU = int(*p.LocalDetailCalled)
	}
	if p.NegotiatedDataStructureNestingLevel != nil {
		agreed.Nesting = int(*p.NegotiatedDataStructureNestingLevel)
	}
	for _, f := range []struct {
		name              string
		got, least, offer int
	}{
		{"PDU size", agreed.MaxPDU, MinPDU, c.MaxPDU},
		{"number of outstanding calls (calling)", agreed.Ours, 1, c.Outstanding},
		{"number of outstanding calls (called)", agreed.Theirs, 0, c.Outstanding},
		{"nesting level", agreed.Nesting, minNesting, c.Nesting},
		{"version", int(d.NegotiatedVersionNumber), version, version},
	} {
		if f.got < f.least || f.got > f.offer {
			return Parameters{}, protocolError("its answer to initiate gives the %s as %d, outside %d to %d", f.name, f.got, f.least, f.offer)
		}
	}
	return agreed, nil
}
