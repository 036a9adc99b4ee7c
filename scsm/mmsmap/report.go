package mmsmap

import (
	"errors"
	"fmt"

	"busbar.example/acsi"
	"busbar.example/mms"
	"busbar.example/value"
)

// mostFields is how many access results a report has before its values and what belongs to each of these.
const mostFields = 11

// reportPDU is r as it travels.
//
// IEC 61850-8-1, Table "Order of AccessResults for report".
func reportPDU(r *acsi.Report) *mms.InformationReport {
	perMember := 1
	if r.OptFlds&acsi.OptDataRef != 0 {
		perMember++
	}
	if r.OptFlds&acsi.OptReason != 0 {
		perMember++
	}
	room := mostFields + perMember*len(r.Included)
	p := reportParts{make([]mms.AccessResult, 0, room), make([]mms.Success, 0, room)}
	p.head(r)
	if r.OptFlds&acsi.OptDataRef != 0 {
		for i := range r.Included {
			p.add(value.Visible(r.Included[i].Ref))
		}
	}
	for i := range r.Included {
		if v := r.Included[i].Value; v.IsValid() {
			p.add(v)
		} else {
			p.results = append(p.results, mms.HardwareFault)
		}
	}
	if r.OptFlds&acsi.OptReason != 0 {
		for i := range r.Included {
			p.add(r.Included[i].Reason.Value())
		}
	}
	return &mms.InformationReport{VariableAccessSpecification: reportList, ListOfAccessResult: p.results}
}

// reportList is in every report.
var reportList mms.VariableAccessSpecification = mms.VariableListName{Name: mms.ReportName}

// reportParts are the access results of a report, and the memory that they are in.
type reportParts struct {
	results   []mms.AccessResult
	successes []mms.Success
}

func (p *reportParts) add(v value.Value) {
	p.successes = append(p.successes, mms.Success{Value: v})
	p.results = append(p.results, &p.successes[len(p.successes)-1])
}

func (p *reportParts) head(r *acsi.Report) {
	p.add(value.Visible(r.RptID))
	p.add(r.OptFlds.Value())
	if r.OptFlds&acsi.OptSeqNum != 0 {
		p.add(value.Uint(uint64(r.SeqNum)))
	}
	if r.OptFlds&acsi.OptTimeStamp != 0 {
		p.add(value.BinTimeOf(r.Time))
	}
	if r.OptFlds&acsi.OptDataSet != 0 {
		p.add(value.Visible(r.DataSet))
	}
	if r.OptFlds&acsi.OptBufOvfl != 0 {
		p.add(value.Bool(r.BufOvfl))
	}
	if r.OptFlds&acsi.OptEntryID != 0 {
		p.add(value.Octets(r.EntryID[:]))
	}
	if r.OptFlds&acsi.OptConfRev != 0 {
		p.add(value.Uint(uint64(r.ConfRev)))
	}
	if r.OptFlds&acsi.OptSegmentation != 0 {
		p.add(value.Uint(uint64(r.SubSeq)))
		p.add(value.Bool(r.More))
	}
	var short [32]byte // on the stack: nearly all data sets fit
	included := short[:]
	if size := (r.SetSize + 7) / 8; size > len(included) {
		included = make([]byte, size)
	}
	for i := range r.Included {
		m := r.Included[i].Member
		included[m/8] |= 0x80 >> (m % 8)
	}
	p.add(value.Bits(r.SetSize, included))
}

// reportOf is the reverse of reportPDU.
func reportOf(results []mms.AccessResult) (*acsi.Report, error) {
	p := reportReader{rest: results}
	r := &acsi.Report{}
	included := p.head(r)
	n := 0
	for i := range included.BitLen() {
		if included.Bit(i) {
			n++
		}
	}
	want := n
	if r.OptFlds&acsi.OptDataRef != 0 {
		want += n
	}
	if r.OptFlds&acsi.OptReason != 0 {
		want += n
	}
	switch {
	case p.err != nil:
		return nil, p.err
	case len(p.rest) != want:
		return nil, fmt.Errorf("a report of %d members has %d access results for them", n, len(p.rest))
	case n == 0:
		return r, nil
	}
	r.Included = make([]acsi.ReportEntry, 0, n)
	for i := range included.BitLen() {
		if included.Bit(i) {
			r.Included = append(r.Included, acsi.ReportEntry{Member: i})
		}
	}
	p.members(r)
	return r, p.err
}

// reportReader takes access results one by one. After an error it gives nothing more.
type reportReader struct {
	rest []mms.AccessResult
	err  error
}

var errReport = errors.New("a report whose parts make no sense")

// value is the next one.
func (p *reportReader) value() value.Value {
	if len(p.rest) > 0 {
		if success, ok := p.rest[0].(*mms.Success); ok {
			p.rest = p.rest[1:]
			return success.Value
		}
	}
	p.err = errReport
	return value.Value{}
}

// member is the value of a member; invalid where the IED says that it could not read it.
func (p *reportReader) member() value.Value {
	if len(p.rest) > 0 {
		if _, failed := p.rest[0].(mms.DataAccessError); failed {
			p.rest = p.rest[1:]
			return value.Value{}
		}
	}
	return p.value()
}

func (p *reportReader) check(ok bool) {
	if !ok && p.err == nil {
		p.err = errReport
	}
}

// text is the next one, a visible string that is no longer than references are.
func (p *reportReader) text() string {
	v := p.value()
	p.check(v.Kind() == value.VisibleString && len(v.Text()) <= acsi.MaxRefLen)
	return v.Text()
}

// number is the next one, at most most. IEDs of all makers send it with or without a sign.
func (p *reportReader) number(most uint64) uint64 {
	n, ok := p.value().Uint()
	p.check(ok && n <= most)
	return n
}

func (p *reportReader) flag() bool {
	v := p.value()
	p.check(v.Kind() == value.Boolean)
	return v.Bool()
}

// head reads what comes before the members, and gives the inclusion bit string.
func (p *reportReader) head(r *acsi.Report) (included value.Value) {
	r.RptID = p.text()
	var ok bool
	r.OptFlds, ok = acsi.OptFldsOf(p.value())
	p.check(ok)
	if r.OptFlds&acsi.OptSeqNum != 0 {
		r.SeqNum = uint16(p.number(1<<16 - 1))
	}
	if r.OptFlds&acsi.OptTimeStamp != 0 {
		r.Time, ok = p.value().Time()
		p.check(ok)
	}
	if r.OptFlds&acsi.OptDataSet != 0 {
		r.DataSet = p.text()
	}
	if r.OptFlds&acsi.OptBufOvfl != 0 {
		r.BufOvfl = p.flag()
	}
	if r.OptFlds&acsi.OptEntryID != 0 {
		id := p.value()
		p.check(id.Kind() == value.OctetString && len(id.Text()) <= len(r.EntryID))
		copy(r.EntryID[:], id.Text())
	}
	if r.OptFlds&acsi.OptConfRev != 0 {
		r.ConfRev = uint32(p.number(1<<32 - 1))
	}
	if r.OptFlds&acsi.OptSegmentation != 0 {
		r.SubSeq = uint16(p.number(1<<16 - 1))
		r.More = p.flag()
	}
	included = p.value()
	p.check(included.Kind() == value.BitString)
	r.SetSize = included.BitLen()
	return included
}

// members reads what belongs to each member that is included.
func (p *reportReader) members(r *acsi.Report) {
	if r.OptFlds&acsi.OptDataRef != 0 {
		for i := range r.Included {
			r.Included[i].Ref = p.text()
		}
	}
	for i := range r.Included {
		r.Included[i].Value = p.member()
	}
	if r.OptFlds&acsi.OptReason != 0 {
		for i := range r.Included {
			reason, ok := acsi.ReasonOf(p.value())
			p.check(ok)
			r.Included[i].Reason = reason
		}
	}
}
