package mmsmap

import (
	"encoding/hex"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"busbar.example/acsi"
	"busbar.example/mms"
	"busbar.example/value"
)

// A Meaning is what a PDU means in ACSI, for people. Its texts may hold anything that a peer has put into
// the PDU.
type Meaning struct {
	Service string   // of ACSI, such as GetDataValues; the MMS name where ACSI has none; "" for a PDU that names none
	Objects []string // what it is about, in the spelling of ACSI where it is a reference
	Values  []string // of a write: one for each object
	Outcome string   // of an answer: what came of it
	Failed  bool     // the service, or part of it, was refused
}

// String puts m into a line.
func (m Meaning) String() string {
	var b strings.Builder
	b.WriteString(m.Service)
	for i, o := range m.Objects {
		switch {
		case i > 0:
			b.WriteString(", ")
		case b.Len() > 0:
			b.WriteByte(' ')
		}
		b.WriteString(o)
		if i < len(m.Values) {
			b.WriteString(" = " + m.Values[i])
		}
	}
	if m.Outcome != "" {
		if b.Len() > 0 {
			b.WriteString(": ")
		}
		b.WriteString(m.Outcome)
	}
	return b.String()
}

// AnswerTo is m with the service of the request that it answers: in MMS several services have one answer, and
// errors name none.
func (m Meaning) AnswerTo(request Meaning) Meaning {
	m.Service = request.Service
	return m
}

// Describe says what a PDU means. A PDU that has no meaning in ACSI is described by its MMS name.
//
// IEC 61850-8-1, Table "Mapping of ACSI services".
func Describe(pdu mms.PDU) Meaning {
	switch p := pdu.(type) {
	case *mms.ConfirmedRequest:
		return describeRequest(p.Service)
	case *mms.ConfirmedResponse:
		return describeResponse(p.Service)
	case *mms.ConfirmedError:
		return refused("", p.ServiceError)
	case *mms.Unconfirmed:
		return describeUnconfirmed(p.Service)
	case *mms.Reject:
		return Meaning{Service: "Reject", Outcome: p.RejectReason.String(), Failed: true}
	case *mms.CancelRequest:
		return Meaning{Service: "Cancel of a request", Objects: []string{fmt.Sprint("invokeID ", p.OriginalInvokeID)}}
	case *mms.CancelResponse:
		return Meaning{Service: "Cancel of a request", Outcome: "done"}
	case *mms.CancelError:
		return refused("Cancel of a request", p.ServiceError)
	case *mms.InitiateRequest:
		return Meaning{Service: "Associate", Outcome: proposed(p.LocalDetailCalling, p.ProposedMaxServOutstandingCalling)}
	case *mms.InitiateResponse:
		return Meaning{Service: "Associate", Outcome: proposed(p.LocalDetailCalled, p.NegotiatedMaxServOutstandingCalling)}
	case *mms.InitiateError:
		return refused("Associate", p.ServiceError)
	case *mms.ConcludeRequest:
		return Meaning{Service: "Release"}
	case *mms.ConcludeResponse:
		return Meaning{Service: "Release", Outcome: "agreed"}
	case *mms.ConcludeError:
		return refused("Release", p.ServiceError)
	}
	return Meaning{Service: goName(pdu)}
}

func describeRequest(r mms.ConfirmedServiceRequest) Meaning {
	switch r := r.(type) {
	case *mms.StatusRequest:
		m := Meaning{Service: "Status"}
		if r.ExtendedDerivation {
			m.Objects = []string{"with a self test"}
		}
		return m
	case *mms.GetNameListRequest:
		return describeNames(r)
	case *mms.ReadRequest:
		service, objects := accessed(r.VariableAccessSpecification, readServices)
		return Meaning{Service: service, Objects: objects}
	case *mms.WriteRequest:
		service, objects := accessed(r.VariableAccessSpecification, writeServices)
		m := Meaning{Service: service, Objects: objects}
		for _, v := range r.ListOfData {
			m.Values = append(m.Values, brief(v))
		}
		return m
	case *mms.GetVariableAccessAttributesRequest:
		return Meaning{Service: "GetDataDefinition", Objects: []string{objectName(r.Name)}}
	case *mms.DefineNamedVariableListRequest:
		return describeNewSet(r)
	case *mms.GetNamedVariableListAttributesRequest:
		return Meaning{Service: "GetDataSetDirectory", Objects: []string{setName(r.VariableListName)}}
	case *mms.DeleteNamedVariableListRequest:
		return describeDeletion(r)
	case *mms.ReadJournalRequest:
		return describeQuery(r)
	case *mms.ExtendedGetNameListRequest:
		return describeLevel(r)
	}
	return describeFileRequest(r)
}

func describeResponse(r mms.ConfirmedServiceResponse) Meaning {
	switch r := r.(type) {
	case *mms.StatusResponse:
		return Meaning{Service: "Status", Outcome: r.VMDLogicalStatus.String() + ", " + r.VMDPhysicalStatus.String()}
	case *mms.IdentifyResponse:
		return Meaning{Service: "Identify", Outcome: fmt.Sprintf("%q, %q, %q", r.VendorName, r.ModelName, r.Revision)}
	case *mms.GetNameListResponse:
		return listed(r.ListOfIdentifier, r.MoreFollows)
	case *mms.ExtendedGetNameListResponse:
		return listed(r.ListOfIdentifier, r.MoreFollows)
	case *mms.ReadResponse:
		return describeResults("GetDataValues", len(r.ListOfAccessResult), resultOf(r.ListOfAccessResult))
	case *mms.WriteResponse:
		return describeResults("SetDataValues", len(r.Results), func(i int) (string, mms.DataAccessError, bool) {
			code, failed := r.Results[i].(mms.DataAccessError)
			return "done", code, !failed
		})
	case *mms.GetVariableAccessAttributesResponse:
		return Meaning{Service: "GetDataDefinition", Outcome: typeText(r.TypeSpecification)}
	case *mms.DefineNamedVariableListResponse:
		return Meaning{Service: "CreateDataSet", Outcome: "done"}
	case *mms.GetNamedVariableListAttributesResponse:
		return Meaning{Service: "GetDataSetDirectory", Outcome: members(r.ListOfVariable)}
	case *mms.DeleteNamedVariableListResponse:
		return describeDeleted(r)
	case *mms.ReadJournalResponse:
		return describeEntries(r)
	}
	return describeFileResponse(r)
}

func listed(names []string, more bool) Meaning {
	outcome := count(len(names), "name")
	if more {
		outcome += ", more follow"
	}
	return Meaning{Service: "GetDirectory", Outcome: outcome}
}

// resultOf tells the results of a list one by one.
func resultOf(list []mms.AccessResult) func(i int) (string, mms.DataAccessError, bool) {
	return func(i int) (string, mms.DataAccessError, bool) {
		switch r := list[i].(type) {
		case *mms.Success:
			return brief(r.Value), 0, true
		case mms.DataAccessError:
			return "", r, false
		}
		return "", mms.HardwareFault, false
	}
}

// fewResults are told one by one.
const fewResults = 3

// describeResults sums up the results of n objects: a few values are told, of more how many; and how many failed and why.
func describeResults(service string, n int, result func(int) (string, mms.DataAccessError, bool)) Meaning {
	m := Meaning{Service: service}
	var reasons, texts []string
	failed := 0
	for i := range n {
		text, code, ok := result(i)
		switch {
		case ok && n <= fewResults:
			texts = append(texts, text)
		case !ok:
			m.Failed = true
			failed++
			if reason := code.String(); len(reasons) < 3 && !slices.Contains(reasons, reason) {
				reasons = append(reasons, reason)
			}
		}
	}
	switch {
	case failed > 0 && n == 1:
		m.Outcome = reasons[0]
	case failed > 0:
		m.Outcome = fmt.Sprintf("%d of %d refused: %s", failed, n, strings.Join(reasons, ", "))
	case n <= fewResults:
		m.Outcome = strings.Join(texts, ", ")
	default:
		m.Outcome = count(n, "result")
	}
	return m
}

func refused(service string, e mms.ServiceError) Meaning {
	m := Meaning{Service: service, Failed: true, Outcome: "refused"}
	if e.ErrorClass != nil {
		m.Outcome = e.ErrorClass.String()
	}
	return m
}

func proposed(size *int32, calls int16) string {
	if size == nil {
		return fmt.Sprintf("PDUs of any size, %d open calls", calls)
	}
	return fmt.Sprintf("PDUs up to %d octets, %d open calls", *size, calls)
}

// describeNames tells the directory services apart, which are one in MMS.
func describeNames(r *mms.GetNameListRequest) Meaning {
	m := Meaning{Service: "GetNameList " + r.ExtendedObjectClass.ObjectClass.String()}
	domain, inDomain := r.ObjectScope.(mms.ScopeDomain)
	if inDomain {
		m.Objects = []string{string(domain)}
	}
	switch class := r.ExtendedObjectClass.ObjectClass; {
	case class == mms.ClassDomain:
		m.Service = "GetServerDirectory"
	case class == mms.ClassNamedVariable && inDomain:
		m.Service = "GetLogicalDeviceDirectory"
	case class == mms.ClassNamedVariableList:
		m.Service = "GetLogicalNodeDirectory (data sets)"
	case class == mms.ClassJournal:
		m.Service = "GetLogicalNodeDirectory (logs)"
	}
	if r.ContinueAfter != "" {
		m.Objects = append(m.Objects, "after "+r.ContinueAfter)
	}
	return m
}

// describeLevel is describeNames for one level.
func describeLevel(r *mms.ExtendedGetNameListRequest) Meaning {
	if r.ItemID == "" {
		return describeNames(&mms.GetNameListRequest{ExtendedObjectClass: r.ExtendedObjectClass, ObjectScope: r.ObjectScope, ContinueAfter: r.ContinueAfter})
	}
	m := Meaning{Service: "GetDataDirectory", Objects: []string{r.ItemID}}
	if domain, ok := r.ObjectScope.(mms.ScopeDomain); ok {
		m.Objects[0] = objectName(mms.DomainSpecific{DomainID: string(domain), ItemID: r.ItemID})
	}
	if !strings.Contains(r.ItemID, "$") {
		m.Service = "GetLogicalNodeDirectory"
	}
	if r.ContinueAfter != "" {
		m.Objects = append(m.Objects, "after "+r.ContinueAfter)
	}
	return m
}

// A control block or control object is read and written by services of its own, which the functional constraint
// and the last name tell apart. "" stands for the service of data.
type services struct {
	data, list string
	blocks     map[acsi.FC]string
	names      map[string]string // of the attribute below FC CO, or of a setting group control block
}

var readServices = services{
	data: "GetDataValues", list: "GetDataSetValues",
	blocks: map[acsi.FC]string{acsi.BR: "GetBRCBValues", acsi.RP: "GetURCBValues", acsi.LG: "GetLCBValues",
		acsi.GO: "GetGoCBValues", acsi.MS: "GetMSVCBValues", acsi.US: "GetUSVCBValues", acsi.SE: "GetEditSGValue"},
	names: map[string]string{"SBO": "Select", "SGCB": "GetSGCBValues"},
}

var writeServices = services{
	data: "SetDataValues", list: "SetDataSetValues",
	blocks: map[acsi.FC]string{acsi.BR: "SetBRCBValues", acsi.RP: "SetURCBValues", acsi.LG: "SetLCBValues",
		acsi.GO: "SetGoCBValues", acsi.MS: "SetMSVCBValues", acsi.US: "SetUSVCBValues", acsi.SE: "SetEditSGValue"},
	names: map[string]string{"SBOw": "SelectWithValue", "Oper": "Operate", "Cancel": "Cancel",
		"ActSG": "SelectActiveSG", "EditSG": "SelectEditSG", "CnfEdit": "ConfirmEditSGValues"},
}

// of is the service that accesses ref.
func (s *services) of(ref acsi.Ref) string {
	special := ref.FC() == acsi.CO || ref.FC() == acsi.SP && strings.Contains(ref.Item(), ".SGCB")
	if name, ok := s.names[ref.Name()]; ok && special {
		return name
	}
	if name, ok := s.blocks[ref.FC()]; ok {
		return name
	}
	return s.data
}

// accessed is what a read or write is about, and the service that it is: that of its objects, where they agree.
func accessed(spec mms.VariableAccessSpecification, s services) (service string, objects []string) {
	switch spec := spec.(type) {
	case mms.VariableListName:
		return s.list, []string{objectName(spec.Name)}
	case mms.ListOfVariable:
		refs := make(references)
		for _, v := range spec {
			name, of := variableName(v), s.data
			if ref, err := refs.ofVariable(v); err == nil {
				name, of = ref.String(), s.of(ref)
			}
			objects = append(objects, name)
			if service == "" {
				service = of
			}
			if service != of {
				service = s.data
			}
		}
	}
	if service == "" {
		service = s.data
	}
	return service, objects
}

// variableName is for a variable that is no object of ACSI.
func variableName(v mms.Variable) string {
	name, ok := v.VariableSpecification.(mms.VariableName)
	if !ok {
		return goName(v.VariableSpecification)
	}
	text := objectName(name.Name)
	if v.AlternateAccess != nil {
		text += " in part"
	}
	return text
}

func objectName(name mms.ObjectName) string {
	switch n := name.(type) {
	case mms.DomainSpecific:
		if ref, err := acsi.ParseItem(n.DomainID, n.ItemID); err == nil {
			return ref.String()
		}
		return n.DomainID + "/" + n.ItemID
	case mms.VMDSpecific:
		return string(n)
	case mms.AASpecific:
		return "@" + string(n)
	}
	return goName(name)
}

// typeText is a type in a word or two.
func typeText(t mms.TypeSpecification) string {
	switch t := t.(type) {
	case *mms.StructureType:
		names := make([]string, len(t.Components))
		for i, c := range t.Components {
			names[i] = c.ComponentName
		}
		return "{" + strings.Join(names, ", ") + "}"
	case *mms.ArrayType:
		return fmt.Sprintf("array of %d %s", t.NumberOfElements, typeText(t.ElementType))
	case nil:
		return ""
	}
	return strings.TrimSuffix(goName(t), "Type")
}

// timeFormat is ISO 8601 to a millisecond.
const timeFormat = "2006-01-02T15:04:05.000Z"

// brief is a value without the names of its types.
func brief(v value.Value) string {
	switch v.Kind() {
	case value.Array, value.Structure:
		parts := make([]string, v.Len())
		for i := range parts {
			parts[i] = brief(v.At(i))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case value.Float32, value.Float64:
		bits := 32
		if v.Kind() == value.Float64 {
			bits = 64
		}
		f, _ := v.Float()
		return strconv.FormatFloat(f, 'g', -1, bits)
	case value.Boolean:
		return strconv.FormatBool(v.Bool())
	case value.Integer:
		n, _ := v.Int()
		return strconv.FormatInt(n, 10)
	case value.Unsigned:
		n, _ := v.Uint()
		return strconv.FormatUint(n, 10)
	case value.BitString, value.BooleanArray:
		return v.BitText()
	case value.OctetString:
		return hex.EncodeToString([]byte(v.Text()))
	case value.VisibleString, value.MMSString:
		return strconv.Quote(v.Text())
	case value.UTCTime:
		t, _ := v.Time()
		return t.Format(timeFormat)
	case value.BinaryTime:
		if t, ok := v.Time(); ok {
			return t.Format(timeFormat)
		}
	}
	return v.String()
}

// goName is the name of a type of package mms, which is that of the standard.
func goName(v any) string {
	t := reflect.TypeOf(v)
	if t == nil {
		return "nothing"
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Name()
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
