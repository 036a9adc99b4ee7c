package mmsmap

import (
	"context"
	"errors"
	"fmt"

	"busbar.example/acsi"
	"busbar.example/mms"
	"busbar.example/mms/assoc"
)

// notified takes what the peer tells unasked. It is called in the order in which that comes, answers included.
func (c *Client) notified(r *mms.InformationReport) {
	switch spec := r.VariableAccessSpecification.(type) {
	case mms.VariableListName:
		report, err := reportOf(r.ListOfAccessResult)
		if spec.Name != mms.ObjectName(mms.ReportName) || err != nil {
			c.notices.lost()
			return
		}
		c.reported(report)
	case mms.ListOfVariable:
		t, ok := terminationOf(spec, r.ListOfAccessResult)
		if ok && !t.Oper.IsValid() {
			if c.controls.explain(t.Failure) {
				return
			}
			t.Ref, ok = operOf(t.Failure)
		}
		if !ok {
			c.notices.lost()
			return
		}
		c.notices.add(t)
	}
}

// reported queues a report, whole or as the last of its segments.
func (c *Client) reported(r *acsi.Report) {
	whole, lost := c.segments.join(r)
	for range lost {
		c.notices.lost()
	}
	if whole != nil {
		c.notices.add(whole)
	}
}

// tellAll tells the peer what the services want to tell it, until ctx ends or the association does. It goes on with the next
// notice when the carrier has taken the one before.
func (s *server) tellAll(ctx context.Context) {
	for {
		notice, err := s.services.Next(ctx)
		if err == nil {
			switch n := notice.(type) {
			case *acsi.Report:
				err = s.report(ctx, n)
			case *acsi.Termination:
				err = s.kept(s.association.NotifyInTurn(ctx, terminationReport(n)), n.Ref)
			}
		}
		if err != nil {
			if ctx.Err() == nil && s.association.Err() == nil {
				s.fault(err)
			}
			return
		}
	}
}

// kept keeps from the caller an error of Notify that is about this one notice.
func (s *server) kept(err error, of fmt.Stringer) error {
	if !ofPDU(err) {
		return err
	}
	s.fault(fmt.Errorf("what is to be told of %v: %w", of, err))
	return nil
}

// ofPDU reports whether an error of Notify is about that one PDU: the association goes on.
func ofPDU(err error) bool {
	if err == nil {
		return false
	}
	_, size := errors.AsType[*assoc.SizeError](err)
	_, value := errors.AsType[*mms.ValueError](err)
	return size || value
}

// report tells r, in segments where it does not fit into a PDU.
//
// IEC 61850-8-1, Report, segmentation.
func (s *server) report(ctx context.Context, r *acsi.Report) error {
	fields := r.OptFlds &^ acsi.OptSegmentation
	if r.More || r.SubSeq > 0 {
		fields |= acsi.OptSegmentation
	}
	if fields != r.OptFlds {
		own := *r // r may be somebody else's, too
		own.OptFlds = fields
		r = &own
	}
	err := s.association.Notify(ctx, reportPDU(r))
	if size, ok := errors.AsType[*assoc.SizeError](err); ok {
		return s.reportInSegments(ctx, r, size)
	}
	return s.kept(err, reportID(r.RptID))
}

type reportID string

// String names the report.
func (id reportID) String() string { return "report " + string(id) }

// reportInSegments tells a report that came out as large as said. A member that does not fit into a PDU by itself is left out,
// and a fault.
func (s *server) reportInSegments(ctx context.Context, r *acsi.Report, said *assoc.SizeError) error {
	segment := *r
	segment.OptFlds |= acsi.OptSegmentation
	rest := r.Included
	open := false                                            // more has been promised
	atOnce := max(1, len(rest)*said.Limit/max(said.Size, 1)) // so many fit, were they all of one size and there nothing beside them
	for len(rest) > 0 {
		atOnce = min(atOnce, len(rest))
		segment.Included, segment.More = rest[:atOnce], r.More || atOnce < len(rest)
		err := s.association.Notify(ctx, reportPDU(&segment))
		_, large := errors.AsType[*assoc.SizeError](err)
		switch {
		case large && atOnce > 1:
			atOnce /= 2
			continue
		case ofPDU(err):
			s.fault(fmt.Errorf("%v leaves out members %d to %d of its data set: %w", reportID(r.RptID), rest[0].Member, rest[atOnce-1].Member, err))
		case err != nil:
			return err
		default:
			segment.SubSeq++
			open = segment.More && !r.More
		}
		rest = rest[atOnce:]
	}
	if !open {
		return nil
	}
	segment.Included, segment.More = nil, false // the last members were left out
	return s.kept(s.association.Notify(ctx, reportPDU(&segment)), reportID(r.RptID))
}
