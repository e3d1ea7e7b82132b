"""Pure rules of memory: what may not be kept, and how two rankings become one."""
