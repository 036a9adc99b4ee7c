package mmsmap_test

import (
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"busbar.example/acsi"
	"busbar.example/acsi/server"
	"busbar.example/internal/testbed"
	"busbar.example/mms"
	"busbar.example/mms/assoc"
	"busbar.example/scsm/mmsmap"
	"busbar.example/secure/rbac"
	"busbar.example/value"
)

// script joins PDUs for a fuzz target: each in BER behind its length in two octets.
func script(t testing.TB, pdus ...mms.PDU) []byte {
	t.Helper()
	var s []byte
	for _, pdu := range pdus {
		octets, err := mms.AppendBER(nil, pdu)
		if err != nil {
			t.Fatal(err)
		}
		s = append(append(s, byte(len(octets)>>8), byte(len(octets))), octets...)
	}
	return s
}

// pdus takes a script apart; what is no PDU is left out.
func pdus(s []byte) []mms.PDU {
	var found []mms.PDU
	for len(s) >= 2 && len(found) < 50 {
		n := min(int(s[0])<<8|int(s[1]), len(s)-2)
		if pdu, err := mms.DecodeBER(s[2:2+n], mms.Limits{}); err == nil {
			found = append(found, pdu)
		}
		s = s[2+n:]
	}
	return found
}

func request(service mms.ConfirmedServiceRequest) mms.PDU {
	return &mms.ConfirmedRequest{InvokeID: 1, Service: service}
}

func response(service mms.ConfirmedServiceResponse) mms.PDU {
	return &mms.ConfirmedResponse{InvokeID: 1, Service: service}
}

var fullProposal = func() *mms.InitiateRequest {
	size, nesting := int32(65000), int8(10)
	return &mms.InitiateRequest{LocalDetailCalling: &size, ProposedMaxServOutstandingCalling: 16, ProposedMaxServOutstandingCalled: 16,
		ProposedDataStructureNestingLevel: &nesting, InitRequestDetail: mms.InitRequestDetail{ProposedVersionNumber: 1,
			ProposedParameterCBB: mms.ParamSTR1 | mms.ParamSTR2 | mms.ParamVNAM | mms.ParamVALT | mms.ParamVLIS}}
}()

// FuzzServe sends any sequence of PDUs to a server: each request is answered, and nothing is a fault of ours.
func FuzzServe(f *testing.F) {
	curve := named(pv, "DVVR1$SP$VVArCrv$crvPts", mms.SelectAccess{Part: mms.Index(3)})
	domain := func(after string) mms.PDU {
		return request(&mms.GetNameListRequest{ExtendedObjectClass: mms.ExtendedObjectClass{}, ObjectScope: mms.ScopeDomain(pv), ContinueAfter: after})
	}
	f.Add(script(f, request(&mms.GetNameListRequest{ExtendedObjectClass: mms.ExtendedObjectClass{ObjectClass: mms.ClassDomain}, ObjectScope: mms.ScopeVMD{}}),
		domain(""), domain("MMXU1$MX$TotW"), domain("MMXU9")))
	f.Add(script(f, request(&mms.ReadRequest{SpecificationWithResult: true, VariableAccessSpecification: mms.ListOfVariable{
		named(pv, "MMXU1$MX$TotW$mag$f"), named(pv, "MMXU1$MX"), named(pv, "MMXU1"), curve, named("x", "y$z")}}),
		request(&mms.ReadRequest{VariableAccessSpecification: mms.VariableListName{Name: mms.VMDSpecific("x")}})))
	f.Add(script(f, request(&mms.WriteRequest{VariableAccessSpecification: mms.ListOfVariable{named(pv, "DGEN1$SP$WMax$setMag$f"), curve},
		ListOfData: []value.Value{value.Float(80), value.StructureOf(value.Float(1), value.Float(2))}})))
	f.Add(script(f, request(&mms.GetVariableAccessAttributesRequest{Name: mms.DomainSpecific{DomainID: pv, ItemID: "MMXU1"}}),
		request(&mms.GetVariableAccessAttributesRequest{Name: mms.AASpecific("x")}), &mms.ConcludeRequest{}))
	set, own := mms.DomainSpecific{DomainID: pv, ItemID: "LLN0$Measurements"}, mms.AASpecific("mine")
	f.Add(script(f, request(&mms.GetNamedVariableListAttributesRequest{VariableListName: set}),
		request(&mms.DefineNamedVariableListRequest{VariableListName: own, ListOfVariable: mms.ListOfVariable{named(pv, "MMXU1$MX$TotW"), curve}}),
		request(&mms.ReadRequest{VariableAccessSpecification: mms.VariableListName{Name: own}}),
		request(&mms.WriteRequest{VariableAccessSpecification: mms.VariableListName{Name: own}, ListOfData: []value.Value{value.Int(1)}}),
		request(&mms.DeleteNamedVariableListRequest{ListOfVariableListName: []mms.ObjectName{own, set, mms.VMDSpecific("x")}})))
	f.Add(script(f, request(&mms.ReadJournalRequest{JournalName: mms.DomainSpecific{DomainID: pv, ItemID: "LLN0$Log"}, RangeStartSpecification: mms.StartingTime(mms.TimeOfDayOf(noon)),
		EntryToStartAfter: &mms.EntryToStartAfter{TimeSpecification: mms.TimeOfDayOf(noon), EntrySpecification: make([]byte, 8)}}),
		request(&mms.FileOpenRequest{FileName: mms.FileName{"a", "b"}}), request(&mms.FileReadRequest{}), request(&mms.FileCloseRequest{FRSMID: 1}),
		request(&mms.FileDirectoryRequest{FileSpecification: mms.FileName{"*"}, ContinueAfter: mms.FileName{"a"}}), request(&mms.FileDeleteRequest{FileName: mms.FileName{"../x"}}),
		request(&mms.ObtainFileRequest{SourceFile: mms.FileName{"a"}, DestinationFile: mms.FileName{"b"}}), &mms.Unconfirmed{Service: segment(1, 0, true, 4, 0)}))
	f.Add(script(f, request(&mms.WriteRequest{VariableAccessSpecification: mms.ListOfVariable{named(pv, "DWMX1$CO$WLimPctSpt$Oper"), named(pv, "LLN0$BR$brcb01$RptEna")},
		ListOfData: []value.Value{operValue(1, false), value.Bool(true)}})))
	f.Add(script(f, fullProposal, &mms.Reject{RejectReason: mms.PDUErrorInvalidPDU}, response(&mms.ReadResponse{})))

	var model *acsi.Model
	for _, model = range models(f, filepath.Join(demo, "pv.cid")) {
	}
	e, err := server.New(server.Config{Model: model})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s []byte) {
		near, far := testbed.Pipe(everyRole(), rbac.Subject{})
		w := &wired{rude: true}
		w.serve(t, far, e.Services)
		if err := near.Send(t.Context(), fullProposal); err != nil {
			t.Fatal(err)
		}
		if _, err := near.Recv(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for _, pdu := range pdus(s) {
			var unwritable *mms.ValueError
			var size *assoc.SizeError
			switch err := near.Send(ctx, pdu); {
			case errors.As(err, &unwritable) || errors.As(err, &size):
				continue
			case errors.Is(err, net.ErrClosed):
				return
			}
			if _, unanswered := pdu.(*mms.Unconfirmed); unanswered {
				continue
			}
			_, asks := pdu.(*mms.ConfirmedRequest)
			if err := answered(ctx, near); err == io.EOF {
				if asks {
					t.Fatalf("%+v ends the association", pdu)
				}
				return // out of turn, or concluded
			} else if err != nil {
				t.Fatalf("no answer to %+v: %v", pdu, err)
			}
		}
		if got := w.Faults(); len(got) > 0 {
			t.Fatalf("a peer caused a fault of ours: %v", got)
		}
	})
}

// answered waits for an answer of the server. What the server asks for meanwhile it is refused; what it tells is passed over.
func answered(ctx context.Context, link *testbed.PipeEnd) error {
	for {
		pdu, err := link.Recv(ctx)
		if err != nil {
			return err
		}
		switch p := pdu.(type) {
		case *mms.ConfirmedRequest:
			refusal := &mms.ConfirmedError{InvokeID: p.InvokeID, ServiceError: mms.ServiceError{ErrorClass: mms.FileFileNonExistent}}
			if err := link.Send(ctx, refusal); err != nil {
				return err
			}
		case *mms.Unconfirmed:
		default:
			return nil
		}
	}
}

// FuzzClient answers a client with any sequence of PDUs: each service ends.
func FuzzClient(f *testing.F) {
	point := structure(component("xVal", mms.FloatingPointType{FormatWidth: 32, ExponentWidth: 8}), component("q", mms.BitStringType(-13)))
	f.Add(script(f, response(&mms.GetNameListResponse{ListOfIdentifier: []string{"A", "B"}}),
		response(&mms.GetNameListResponse{ListOfIdentifier: []string{"LN", "LN$ST"}, MoreFollows: true}),
		response(&mms.GetNameListResponse{ListOfIdentifier: []string{"LN$ST$Pos", "LN1"}}),
		response(&mms.GetNameListResponse{ListOfIdentifier: []string{"LN$ST", "LN$ST$Pos"}}),
		response(&mms.GetVariableAccessAttributesResponse{TypeSpecification: node(array(3, point))}),
		response(&mms.ReadResponse{ListOfAccessResult: []mms.AccessResult{&mms.Success{Value: value.Int(1)}, mms.ObjectAccessDenied}})))
	tooLarge := &mms.ConfirmedError{InvokeID: 1, ServiceError: mms.ServiceError{ErrorClass: mms.ServicePDUSize}}
	f.Add(script(f, tooLarge, response(&mms.GetNameListResponse{ListOfIdentifier: []string{"LN$SP"}}), response(&mms.GetVariableAccessAttributesResponse{TypeSpecification: point}),
		tooLarge, tooLarge, tooLarge, response(&mms.WriteResponse{Results: []mms.WriteResult{mms.WriteSuccess{}}})))
	f.Add(script(f, &mms.Unconfirmed{Service: segment(1, 0, true, 4, 0, 2)}, &mms.Unconfirmed{Service: segment(1, 1, false, 4, 3)},
		&mms.Unconfirmed{Service: lastApplErrorReport(errorParts("LD/LN$CO$Obj$Oper", 1)...)}, &mms.Unconfirmed{Service: operReport(pos, operValue(1, true))},
		response(&mms.GetNamedVariableListAttributesResponse{ListOfVariable: mms.ListOfVariable{named("LD", "LN$ST$Obj")}}),
		response(&mms.DeleteNamedVariableListResponse{NumberMatched: 1}), response(&mms.FileOpenResponse{FRSMID: 1}),
		response(&mms.FileReadResponse{FileData: []byte("x"), MoreFollows: true}), response(&mms.FileReadResponse{}), response(&mms.FileCloseResponse{}),
		request(&mms.FileOpenRequest{FileName: mms.FileName{"x"}}), request(&mms.FileReadRequest{}), response(&mms.ObtainFileResponse{}),
		response(&mms.ReadJournalResponse{ListOfJournalEntry: []mms.JournalEntry{{EntryIdentifier: make([]byte, 8), EntryContent: mms.EntryContent{
			OccurenceTime: mms.TimeOfDayOf(noon), EntryForm: &mms.EntryData{ListOfVariables: []mms.JournalVariable{{VariableTag: "LD/LN$ST$Obj", ValueSpecification: value.Int(1)}}}}}}})))
	f.Fuzz(func(t *testing.T, s []byte) {
		answers := pdus(s)
		near, far := testbed.Pipe(rbac.Subject{}, rbac.Subject{})
		served := make(chan struct{})
		go func() {
			defer close(served)
			defer far.Close()
			for {
				pdu, err := far.Recv(t.Context())
				if err != nil {
					return
				}
				answer := initiated
				r, asked := pdu.(*mms.ConfirmedRequest)
				for told := true; asked && told; {
					if len(answers) == 0 {
						return
					}
					answer, answers = answers[0], answers[1:]
					switch a := answer.(type) {
					case *mms.ConfirmedResponse:
						a.InvokeID, told = r.InvokeID, false
					case *mms.ConfirmedError:
						a.InvokeID, told = r.InvokeID, false
					case *mms.ConfirmedRequest, *mms.Unconfirmed: // beside the answer
						if far.Send(t.Context(), answer) != nil {
							return
						}
					default:
						told = false
					}
				}
				if _, answers := pdu.(*mms.ConfirmedResponse); answers {
					continue // to what the client was asked
				}
				if _, answers := pdu.(*mms.ConfirmedError); answers {
					continue
				}
				if _, answers := pdu.(*mms.Reject); answers {
					continue
				}
				if far.Send(t.Context(), answer) != nil {
					return
				}
			}
		}()
		c, err := mmsmap.Associate(t.Context(), near, assoc.Config{})
		if err != nil {
			t.Fatal(err)
		}
		everyService(t.Context(), c)
		c.Abort()
		<-served
		for {
			if _, err := c.Next(t.Context()); err != nil {
				break
			}
		}
	})
}

var initiated = func() mms.PDU {
	size, nesting := int32(assoc.MinPDU), int8(10)
	return &mms.InitiateResponse{LocalDetailCalled: &size, NegotiatedMaxServOutstandingCalling: 5, NegotiatedMaxServOutstandingCalled: 5,
		NegotiatedDataStructureNestingLevel: &nesting, InitResponseDetail: mms.InitResponseDetail{NegotiatedVersionNumber: 1,
			NegotiatedParameterCBB: fullProposal.InitRequestDetail.ProposedParameterCBB}}
}()

func everyService(ctx context.Context, c acsi.Services) {
	ln := acsi.MustRef("LD/LN")
	attribute := acsi.MustRef("LD/LN.Obj.attr[SP]")
	element := acsi.MustRef("LD/LN.Obj.attr(1).xVal[SP]")
	c.GetServerDirectory(ctx)
	c.GetLogicalDeviceDirectory(ctx, "LD")
	c.GetLogicalNodeDirectory(ctx, ln)
	c.GetAllDataValues(ctx, ln)
	c.GetDataDirectory(ctx, attribute)
	c.GetDataDefinition(ctx, element)
	c.GetDataValues(ctx, []acsi.Ref{attribute, element, acsi.MustRef("LD/LN[SP]")})
	c.SetDataValues(ctx, []acsi.Assignment{{Ref: attribute, Value: value.Int(1)}, {Ref: element, Value: value.Float(1)}})
	c.SetDataValues(ctx, []acsi.Assignment{{Ref: acsi.MustRef("LD/LN.Obj.Oper[CO]"), Value: operValue(1, false)}})
	set := acsi.MustRef("LD/LN.Set")
	c.GetDataSets(ctx, ln)
	c.GetDataSetDirectory(ctx, set)
	c.GetDataSetValues(ctx, set)
	c.SetDataSetValues(ctx, set, []value.Value{value.Int(1)})
	c.CreateDataSet(ctx, set, []acsi.Ref{attribute})
	c.DeleteDataSet(ctx, set)
	c.GetLogs(ctx, ln)
	c.QueryLogByTime(ctx, set, noon, noon)
	c.QueryLogAfter(ctx, set, noon, acsi.EntryID{})
	c.GetFiles(ctx, "*")
	if r, _, err := c.OpenFile(ctx, "x", 0); err == nil {
		io.Copy(io.Discard, r)
		r.Close()
	}
	c.SetFile(ctx, "x", strings.NewReader("y"))
	c.DeleteFile(ctx, "x")
}
