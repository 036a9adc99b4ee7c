package mmsmap

import (
	"context"
	"errors"

	"busbar.example/acsi"
	"busbar.example/mms"
	"busbar.example/mms/assoc"
)

// Lenient names what real IEDs do in IEC 61850-8-1 although the standards do not allow it. The zero Lenient takes none of it.
type Lenient struct {
	AnyOrder      bool // lists of names in the order of the model: they are asked for as a whole, and sorted here
	OtherTypes    bool // types that IEC 61850 does not use, and parts of a logical node that are no functional constraints, which are left out
	OddSizeErrors bool // other errors than pdu-size where an answer does not fit into a PDU: less is asked for at once
}

// Tolerant is all leniencies together.
func Tolerant() Lenient { return Lenient{AnyOrder: true, OtherTypes: true, OddSizeErrors: true} }

// Associate is the function Associate, for a Client that takes what l allows. Of the Services in cfg ExtendedNames count, all else is
// known here.
func (l Lenient) Associate(ctx context.Context, link assoc.Link, cfg assoc.Config) (*Client, error) {
	levels := offersLevels(cfg)
	if cfg.Services = requested; levels {
		cfg.Services = joinServices(requested, ExtendedNames)
	}
	c := &Client{lenient: l, notices: newNotices()}
	cfg.Notified, cfg.Handler = c.notified, c.fetch
	var err error
	if c.association, err = assoc.Initiate(ctx, link, cfg); err != nil {
		return nil, err
	}
	c.levels = levels && c.association.Parameters().Services.Has(mms.ServiceExtendedGetNameList)
	return c, nil
}

// requested is the services that a Client asks for. It serves few of them, but the set is of both roles, and servers of some makers
// refuse those who leave it empty. ISO 9506-2, Service Support Options.
var requested = supportOf(^acsi.ServiceSet(0))

// oddSizeErrors are what servers answer with where they mean pdu-size.
var oddSizeErrors = []mms.ErrorClass{mms.ServiceOther, mms.ResourceOther, mms.ResourceMemoryUnavailable, mms.ResourceCapabilityUnavailable}

// tooLarge reports whether a call failed because its request or its answer was over the agreed PDU size.
func (l Lenient) tooLarge(err error) bool {
	if size := (*assoc.SizeError)(nil); errors.As(err, &size) || errors.Is(err, &assoc.ServiceError{Class: mms.ServicePDUSize}) {
		return true
	}
	for _, class := range oddSizeErrors {
		if l.OddSizeErrors && errors.Is(err, &assoc.ServiceError{Class: class}) {
			return true
		}
	}
	return false
}
