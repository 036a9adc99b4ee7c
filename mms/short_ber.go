package mms

import (
	"busbar.example/internal/asn1"
	"busbar.example/internal/asn1/ber"
)

const constructed = asn1.Context | asn1.Constructed

// decodeShort reads the PDUs that come most often in their common form without the plan, in a quarter of its time: requests and
// responses of read, and reports; of variables with names in a domain, and of results that succeed. ok is false for
// all else, which the plan reads or refuses.
func decodeShort(b []byte, l Limits) (pdu PDU, ok bool) {
	if len(b) < 12 || len(b) > l.MaxSize || l.MaxDepth < 16 {
		return nil, false
	}
	switch b[0] {
	case 0xa0, 0xa1:
		return decodeRead(b, l)
	case 0xa3:
		return decodeReport(b, l)
	}
	return nil, false
}

// decodeRead reads a request or response of read.
func decodeRead(b []byte, l Limits) (pdu PDU, ok bool) {
	content, ok := only(b, asn1.Tag(b[0]&0x1f)|constructed)
	if !ok {
		return nil, false
	}
	id, content, ok := readInvokeID(content)
	if !ok || len(content) == 0 || content[0] != 0xa4 {
		return nil, false
	}
	if content, ok = only(content, 4|constructed); !ok {
		return nil, false
	}
	if content, ok = only(content, 1|constructed); !ok {
		return nil, false
	}
	if b[0] == 0xa0 {
		return decodeReadRequest(id, content, l)
	}
	return decodeReadResponse(id, content, l)
}

// only is the content of b, which holds one encoding, with tag.
func only(b []byte, tag asn1.Tag) ([]byte, bool) {
	if len(b) == 0 {
		return nil, false
	}
	got, content, rest, err := ber.Split(b)
	return content, err == nil && got == tag && len(rest) == 0
}

// readInvokeID reads the INTEGER at the head of b, of up to 32 bits beside its sign, and gives what follows it.
func readInvokeID(b []byte) (id uint32, rest []byte, ok bool) {
	if len(b) < 3 || b[0] != 2 {
		return 0, nil, false
	}
	n := int(b[1])
	if n == 0 || n > 5 || len(b) < 2+n || b[2]&0x80 != 0 || n == 5 && b[2] != 0 || n > 1 && b[2] == 0 && b[3]&0x80 == 0 {
		return 0, nil, false
	}
	for _, o := range b[2 : 2+n] {
		id = id<<8 | uint32(o)
	}
	return id, b[2+n:], true
}

func decodeReadRequest(id uint32, b []byte, l Limits) (PDU, bool) {
	b, ok := only(b, 0|constructed)
	if !ok {
		return nil, false
	}
	r := ber.NewReader(b, l, 0)
	n, ok := r.Count()
	if !ok || n == 0 {
		return nil, false
	}
	whole := new(struct { // one piece of memory for the most frequent of all PDUs
		pdu  ConfirmedRequest
		read ReadRequest
		one  [1]Variable
	})
	list := ListOfVariable(whole.one[:])
	if n > 1 {
		list = make(ListOfVariable, n)
	}
	for i := range list {
		tag, content, ok := r.Next()
		if !ok || tag != 16|asn1.Constructed {
			return nil, false
		}
		name, ok := readName(content)
		if !ok {
			return nil, false
		}
		list[i].VariableSpecification = VariableName{Name: name}
	}
	whole.read.VariableAccessSpecification = list
	whole.pdu = ConfirmedRequest{InvokeID: id, Service: &whole.read}
	return &whole.pdu, true
}

// readName reads a variableSpecification that is a name in a domain.
func readName(b []byte) (DomainSpecific, bool) {
	b, ok := only(b, 0|constructed)
	if !ok {
		return DomainSpecific{}, false
	}
	if b, ok = only(b, 1|constructed); !ok {
		return DomainSpecific{}, false
	}
	const identifier = 26
	tag, domain, rest, err := ber.Split(b)
	if err != nil || tag != identifier || !asn1.Valid(asn1.Name, domain) {
		return DomainSpecific{}, false
	}
	item, ok := only(rest, identifier)
	if !ok || !asn1.Valid(asn1.Name, item) {
		return DomainSpecific{}, false
	}
	s := string(b) // both names share one piece of memory
	at := len(b) - len(rest)
	return DomainSpecific{DomainID: s[at-len(domain) : at], ItemID: s[len(s)-len(item):]}, true
}

func decodeReadResponse(id uint32, b []byte, l Limits) (PDU, bool) {
	whole := new(struct { // as for requests
		pdu     ConfirmedResponse
		read    ReadResponse
		one     [1]AccessResult
		success [1]Success
	})
	results, ok := decodeResults(b, l, whole.one[:], whole.success[:])
	whole.read.ListOfAccessResult = results
	whole.pdu = ConfirmedResponse{InvokeID: id, Service: &whole.read}
	return &whole.pdu, ok
}

// decodeResults reads results, into those given where they suffice.
func decodeResults(b []byte, l Limits, results []AccessResult, successes []Success) ([]AccessResult, bool) {
	const depth = 5 // PDU, service, response or report, list, result
	r := ber.NewReader(b, l, depth)
	n, ok := r.Count()
	if !ok || n == 0 {
		return nil, false
	}
	if n != len(results) {
		results, successes = make([]AccessResult, n), make([]Success, n)
	}
	for i := range results {
		if successes[i].Value, ok = r.Data(); !ok {
			return nil, false
		}
		results[i] = &successes[i]
	}
	return results, true
}

// decodeReport reads an informationReport that is a report.
func decodeReport(b []byte, l Limits) (PDU, bool) {
	content, ok := only(b, 3|constructed)
	if !ok {
		return nil, false
	}
	if content, ok = only(content, 0|constructed); !ok || len(content) == 0 {
		return nil, false
	}
	tag, list, content, err := ber.Split(content)
	if err != nil || tag != 1|constructed {
		return nil, false
	}
	if list, ok = only(list, 0|asn1.Context); !ok || string(list) != string(ReportName) {
		return nil, false
	}
	if content, ok = only(content, 0|constructed); !ok {
		return nil, false
	}
	whole := new(struct { // as for requests
		pdu    Unconfirmed
		report InformationReport
	})
	results, ok := decodeResults(content, l, nil, nil)
	whole.report = InformationReport{VariableAccessSpecification: reportList, ListOfAccessResult: results}
	whole.pdu.Service = &whole.report
	return &whole.pdu, ok
}

// appendShort is decodeShort in the other direction. Where ok is false, dst may have been appended to.
func appendShort(dst []byte, p PDU) (out []byte, ok bool) {
	var open [3]int // PDU, service, request or response
	switch p := p.(type) {
	case *ConfirmedRequest:
		if p == nil {
			return dst, false
		}
		read, isRead := p.Service.(*ReadRequest)
		if !isRead || read == nil {
			return dst, false
		}
		dst, open = openRead(dst, 0xa0, p.InvokeID)
		dst, ok = appendVariables(dst, read)
	case *ConfirmedResponse:
		if p == nil {
			return dst, false
		}
		read, isRead := p.Service.(*ReadResponse)
		if !isRead || read == nil || read.VariableAccessSpecification != nil {
			return dst, false
		}
		dst, open = openRead(dst, 0xa1, p.InvokeID)
		dst, ok = appendResults(dst, read.ListOfAccessResult)
	case *Unconfirmed:
		if p == nil {
			return dst, false
		}
		report, isReport := p.Service.(*InformationReport)
		if !isReport || report == nil || !isReportList(report.VariableAccessSpecification) {
			return dst, false
		}
		dst, open = openReport(dst)
		dst, ok = appendResults(dst, report.ListOfAccessResult)
	default:
		return dst, false
	}
	return ber.Close(ber.Close(ber.Close(dst, open[2]), open[1]), open[0]), ok
}

func openRead(dst []byte, tag byte, id uint32) ([]byte, [3]int) {
	dst, pdu := ber.Open(dst, tag)
	dst, number := ber.Open(dst, 2)
	dst = ber.Close(ber.AppendUnsigned(dst, uint64(id)), number)
	dst, service := ber.Open(dst, 0xa4)
	dst, part := ber.Open(dst, 0xa1)
	return dst, [3]int{pdu, service, part}
}

func openReport(dst []byte) ([]byte, [3]int) {
	dst, pdu := ber.Open(dst, 0xa3)
	dst, service := ber.Open(dst, 0xa0)
	dst, list := ber.Open(dst, 0xa1)
	dst, name := ber.Open(dst, 0x80)
	dst = ber.Close(ber.Close(append(dst, ReportName...), name), list)
	dst, results := ber.Open(dst, 0xa0)
	return dst, [3]int{pdu, service, results}
}

func isReportList(s VariableAccessSpecification) bool {
	list, ok := s.(VariableListName)
	return ok && list.Name == ReportName
}

func appendVariables(dst []byte, r *ReadRequest) ([]byte, bool) {
	variables, ok := r.VariableAccessSpecification.(ListOfVariable)
	if !ok || r.SpecificationWithResult {
		return dst, false
	}
	dst, list := ber.Open(dst, 0xa0)
	for _, v := range variables {
		name, ok := v.VariableSpecification.(VariableName)
		if !ok || v.AlternateAccess != nil {
			return dst, false
		}
		in, ok := name.Name.(DomainSpecific)
		if !ok || !asn1.Valid(asn1.Name, in.DomainID) || !asn1.Valid(asn1.Name, in.ItemID) {
			return dst, false
		}
		var variable, specification, domain, id int
		dst, variable = ber.Open(dst, 0x30)
		dst, specification = ber.Open(dst, 0xa0)
		dst, domain = ber.Open(dst, 0xa1)
		dst, id = ber.Open(dst, 26)
		dst = ber.Close(append(dst, in.DomainID...), id)
		dst, id = ber.Open(dst, 26)
		dst = ber.Close(append(dst, in.ItemID...), id)
		dst = ber.Close(ber.Close(ber.Close(dst, domain), specification), variable)
	}
	return ber.Close(dst, list), true
}

func appendResults(dst []byte, results []AccessResult) ([]byte, bool) {
	for _, result := range results {
		success, ok := result.(*Success)
		if !ok || success == nil {
			return dst, false
		}
		var err error
		if dst, err = ber.AppendData(dst, success.Value); err != nil {
			return dst, false
		}
	}
	return dst, results != nil
}
