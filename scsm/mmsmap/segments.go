package mmsmap

import (
	"slices"

	"busbar.example/acsi"
)

// segments joins reports that come in several PDUs. It holds a few that are not complete, of together maxNoticeOctets; then
// the oldest is dropped. The zero segments holds none. One goroutine at a time uses it.
type segments struct {
	open   []*segmented // in the order of their beginnings
	octets int
}

// maxOpenReports bounds the reports that are not complete: an IED sends one after the other.
const maxOpenReports = 16

// segmented is a report of which some segments have come.
type segmented struct {
	report acsi.Report // of the last segment, with the members of all
	octets int
	broken bool // a segment is missing or makes no sense: what still comes of it is passed over
}

// join takes a report or segment. whole is a report that is complete now, or nil; lost is how many reports are known now to be
// incomplete for ever.
func (s *segments) join(r *acsi.Report) (whole *acsi.Report, lost int) {
	if r.SubSeq == 0 && !r.More {
		r.OptFlds &^= acsi.OptSegmentation
		return r, 0
	}
	at := slices.IndexFunc(s.open, func(o *segmented) bool { return sameReport(&o.report, r) })
	if r.SubSeq == 0 {
		if at >= 0 {
			s.forget(at)
			lost++
		}
		at = len(s.open)
		s.open = append(s.open, &segmented{report: *r})
		s.open[at].report.Included = nil
	} else if at < 0 {
		if r.More {
			return nil, 0
		}
		return nil, 1
	}
	o := s.open[at]
	s.extend(o, r)
	if !r.More {
		s.forget(at)
		if o.broken {
			return nil, lost + 1
		}
		whole = &o.report
		whole.OptFlds &^= acsi.OptSegmentation
		whole.SubSeq, whole.More = 0, false
	}
	for len(s.open) > maxOpenReports || s.octets > maxNoticeOctets {
		s.forget(0)
		lost++
	}
	return whole, lost
}

// sameReport reports whether a and b are segments of one report.
func sameReport(a, b *acsi.Report) bool {
	return a.RptID == b.RptID && a.DataSet == b.DataSet && a.SeqNum == b.SeqNum && a.EntryID == b.EntryID && a.ConfRev == b.ConfRev &&
		a.SetSize == b.SetSize && a.OptFlds == b.OptFlds
}

// extend adds the segment r to o.
func (s *segments) extend(o *segmented, r *acsi.Report) {
	last := -1
	if n := len(o.report.Included); n > 0 {
		last = o.report.Included[n-1].Member
	}
	follows := r.SubSeq == 0 || int(r.SubSeq) == int(o.report.SubSeq)+1
	if o.broken || !follows || len(r.Included) > 0 && r.Included[0].Member <= last {
		o.broken = true
		s.octets -= o.octets
		o.octets, o.report.Included = 0, nil
		return
	}
	o.report.SubSeq = r.SubSeq
	o.report.Included = append(o.report.Included, r.Included...)
	octets := noticeOctets(r)
	o.octets += octets
	s.octets += octets
}

func (s *segments) forget(at int) {
	s.octets -= s.open[at].octets
	s.open = slices.Delete(s.open, at, at+1)
}
