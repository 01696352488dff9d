"""The tests, from the fastest up; design.md, section 7. portable.py: those for every interpreter."""
