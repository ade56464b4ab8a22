package meter

// Subsections of the name section that have a known content.
const (
	namesOfModule = iota
	namesOfFunctions
	namesOfLocals
)

// checkNames reads a whole name section. A runtime may allocate by the counts in it, so one that lies is dropped; names
// are for people and never worth an error.
func checkNames(content []byte) error {
	r := &reader{data: content, end: len(content)}
	for r.left() > 0 {
		id, err := r.byte("subsection")
		if err != nil {
			return err
		}
		size, err := r.u32("subsection's size")
		if err != nil {
			return err
		}
		s, err := r.sub(size, "subsection")
		if err != nil {
			return err
		}
		if err := checkSubsection(id, &s); err != nil {
			return err
		}
	}
	return nil
}

func checkSubsection(id byte, r *reader) error {
	var err error
	switch id {
	case namesOfModule:
		_, err = r.name("module's name")
	case namesOfFunctions:
		err = checkNameMap(r)
	case namesOfLocals:
		err = checkLocalNames(r)
	default:
		return nil
	}
	if err == nil && r.left() != 0 {
		return malformed(r.pos, "subsection is longer than its content")
	}
	return err
}

func checkNameMap(r *reader) error {
	n, err := r.count("names", maxFunctions)
	if err != nil {
		return err
	}
	for range n {
		if _, err := r.u32("index of a name"); err != nil {
			return err
		}
		if _, err := r.name("name"); err != nil {
			return err
		}
	}
	return nil
}

func checkLocalNames(r *reader) error {
	n, err := r.count("functions with names", maxFunctions)
	if err != nil {
		return err
	}
	for range n {
		if _, err := r.u32("index of a function"); err != nil {
			return err
		}
		if err := checkNameMap(r); err != nil {
			return err
		}
	}
	return nil
}
